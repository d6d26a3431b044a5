"""People on foot and on bicycles: skeletons with COCO's 17 keypoints, drawn as thick strokes."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from jaxtyping import Bool, Float, Int

from .canvas import Bodies
from .classes import BICYCLIST, PEDESTRIAN
from .draws import Draws, between, pick
from .geometry import turned

__all__ = ["CYCLIST_DRAWS", "KEYPOINTS", "PEDESTRIAN_DRAWS", "Pedestrians", "cyclists", "pedestrians"]

PEDESTRIAN_DRAWS, CYCLIST_DRAWS = 10, 8  # random fractions that the looks and the pose of one take

KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
FACE = 5  # the first five keypoints are on the head, the other twelve where the limbs bend and end
SKULL_POINTS = ("neck", "chin", "crown", "nape", "hair")
POINTS = (
    *KEYPOINTS,
    *SKULL_POINTS,
    *("left_hand", "right_hand", "left_toe", "right_toe", "pelvis", "hem"),
)
# Right, up and forward, in metres from the neck, of the keypoints of the face and of the points of the skull.
HEAD = np.array(((0, -0.035, 0.035, -0.08, 0.08), (0.17, 0.21, 0.21, 0.19, 0.19), (0.085, 0.08, 0.08, 0, 0)))
SKULL = np.array(((0, 0, 0, 0, 0), (0, 0.13, 0.22, 0.16, 0.25), (0, 0.02, 0.01, -0.05, -0.02)))

Stroke = tuple[str, str, float, float, int]  # from, to, radius there in metres, what it is made of
SKIN, SHIRT, TROUSERS, SHOES, HAIR, FRAME, TYRE = range(7)


def _pair(start: str, end: str, start_radius: float, end_radius: float, material: int) -> tuple[Stroke, ...]:
    return tuple((f"{s}_{start}", f"{s}_{end}", start_radius, end_radius, material) for s in ("left", "right"))


BODY: tuple[Stroke, ...] = (
    *_pair("hip", "knee", 0.085, 0.065, TROUSERS),
    *_pair("knee", "ankle", 0.06, 0.045, TROUSERS),
    *_pair("ankle", "toe", 0.05, 0.04, SHOES),
    *_pair("shoulder", "hip", 0.085, 0.085, SHIRT),
    ("neck", "pelvis", 0.09, 0.12, SHIRT),
    *_pair("shoulder", "elbow", 0.065, 0.05, SHIRT),
    *_pair("elbow", "wrist", 0.048, 0.038, SHIRT),
    *_pair("wrist", "hand", 0.04, 0.04, SKIN),
    ("neck", "chin", 0.05, 0.05, SKIN),
    ("chin", "crown", 0.085, 0.1, SKIN),
    ("nape", "hair", 0.085, 0.09, HAIR),
)
SKIRT: Stroke = ("pelvis", "hem", 0.13, 0.2, SHIRT)

HALF, TALL = 0.5, sqrt(0.75)  # sines of 30° and 60°
HALF_RIM = ((1.0, 0.0), (TALL, HALF), (HALF, TALL), (0.0, 1.0), (-HALF, TALL), (-TALL, HALF))
RIM = (*HALF_RIM, *((-z, -y) for z, y in HALF_RIM))
BICYCLE_POINTS = {
    **{f"rear{i}": (0.0, 0.34 + 0.31 * y, -0.52 + 0.31 * z) for i, (z, y) in enumerate(RIM)},
    **{f"front{i}": (0.0, 0.34 + 0.31 * y, 0.56 + 0.31 * z) for i, (z, y) in enumerate(RIM)},
    "rear_hub": (0.0, 0.34, -0.52),
    "front_hub": (0.0, 0.34, 0.56),
    "crank": (0.0, 0.33, 0.0),
    "saddle": (0.0, 0.93, -0.22),
    "head": (0.0, 0.86, 0.36),
    "bar": (0.0, 1.02, 0.42),
    "left_grip": (-0.24, 1.03, 0.46),
    "right_grip": (0.24, 1.03, 0.46),
}
FRAME_TUBES = (
    *(("rear_hub", "saddle"), ("rear_hub", "crank"), ("crank", "saddle"), ("crank", "head")),
    *(("saddle", "head"), ("head", "front_hub"), ("head", "bar")),
)
BICYCLE: tuple[Stroke, ...] = (
    *((f"rear{i - 1}", f"rear{i}", 0.028, 0.028, TYRE) for i in range(1, len(RIM))),
    *((f"front{i - 1}", f"front{i}", 0.028, 0.028, TYRE) for i in range(1, len(RIM))),
    *((f"{wheel}{len(RIM) - 1}", f"{wheel}0", 0.028, 0.028, TYRE) for wheel in ("rear", "front")),
    *((start, end, 0.025, 0.025, FRAME) for start, end in FRAME_TUBES),
    ("left_grip", "right_grip", 0.022, 0.022, TYRE),
)

WARDROBE = (  # the colours there are of each material
    np.array([(0.93, 0.76, 0.64), (0.84, 0.63, 0.49), (0.66, 0.46, 0.33), (0.47, 0.31, 0.22), (0.35, 0.23, 0.17)]),
    np.array(
        [
            (0.80, 0.22, 0.20),
            (0.20, 0.36, 0.62),
            (0.90, 0.88, 0.84),
            (0.20, 0.21, 0.24),
            (0.93, 0.72, 0.22),
            (0.22, 0.48, 0.38),
            (0.58, 0.34, 0.56),
            (0.86, 0.52, 0.36),
            (0.46, 0.62, 0.74),
        ]
    ),
    np.array([(0.18, 0.22, 0.34), (0.14, 0.14, 0.16), (0.46, 0.42, 0.36), (0.30, 0.36, 0.46), (0.36, 0.27, 0.22)]),
    np.array([(0.12, 0.10, 0.10), (0.85, 0.84, 0.82), (0.40, 0.26, 0.17)]),
    np.array([(0.12, 0.09, 0.08), (0.28, 0.19, 0.13), (0.55, 0.40, 0.22), (0.62, 0.61, 0.60), (0.45, 0.22, 0.12)]),
    np.array([(0.72, 0.16, 0.16), (0.16, 0.42, 0.56), (0.15, 0.15, 0.16), (0.84, 0.80, 0.70), (0.20, 0.46, 0.30)]),
    np.array([(0.08, 0.08, 0.09)]),
)


@dataclass(frozen=True)
class Pedestrians:
    """Pedestrians and the (X, Y, Z) of their keypoints.

    `shows[i, k, j]`: the part of body i that is painted k-th shows keypoint j where nothing covers it.
    """

    bodies: Bodies
    keypoints: Float[np.ndarray, "3 n 17"]
    shows: Bool[np.ndarray, "n p 17"]


class _Figure:
    """Strokes between named points, as tables of numbers."""

    def __init__(self, table: tuple[Stroke, ...], points: tuple[str, ...]) -> None:
        self.start = np.array([points.index(stroke[0]) for stroke in table])
        self.end = np.array([points.index(stroke[1]) for stroke in table])
        self.radii = np.array([stroke[2:4] for stroke in table]).T
        self.material = np.array([stroke[4] for stroke in table])

    def draw(
        self, points: Float[np.ndarray, "3 n q"], tall: Float[np.ndarray, "n"]
    ) -> tuple[Float[np.ndarray, "8 n p"], Int[np.ndarray, "n p"]]:
        """All strokes of each body, the farthest first, and which stroke each is."""
        depth = points[2]
        order = np.argsort(-(depth[:, self.start] + depth[:, self.end]), axis=1, kind="stable")
        body = np.arange(len(depth))[:, None]
        parts = np.empty((8, *order.shape))
        parts[:3], parts[3:6] = points[:, body, self.start[order]], points[:, body, self.end[order]]
        parts[6:] = self.radii[:, order] * tall[:, None]
        return parts, order

    def colours(self, order: Int[np.ndarray, "n p"], u: Float[np.ndarray, "6 n"]) -> Float[np.ndarray, "n p 3"]:
        """Skin, clothes, hair and bicycle of each body by the fractions `u`."""
        clothes = np.array([pick(colours, u[i % 6]) for i, colours in enumerate(WARDROBE)])
        return clothes[self.material[order], np.arange(len(order))[:, None]]


WALKER = _Figure((*BODY, SKIRT), POINTS)
RIDER = _Figure((*BODY, *BICYCLE), (*POINTS, *BICYCLE_POINTS))
CROWN = POINTS.index("crown")
# Which keypoints a stroke of the walker shows: those at its ends; the head those of the face, the hair the ears.
SHOWS = np.stack([(WALKER.start == j) | (WALKER.end == j) for j in range(len(KEYPOINTS))], axis=1)
SHOWS[WALKER.end == CROWN, :FACE] = True
SHOWS[WALKER.material == HAIR, 3:FACE] = True


def _axes(*points: tuple[float, float, float]) -> Float[np.ndarray, "3 p"]:
    return np.array(points).T


def _body(limbs: Float[np.ndarray, "3 n 6 2"], neck: tuple[float, float, float]) -> Float[np.ndarray, "3 n q"]:
    """All `POINTS` of bodies of which shoulders, elbows, wrists, hips, knees and ankles, left and right, are given."""
    _, elbows, wrists, hips, _, ankles = limbs.transpose(2, 0, 1, 3)
    body = np.empty((3, limbs.shape[1], len(POINTS)))
    body[..., :FACE] = (_axes(neck) + HEAD)[:, None]
    body[..., FACE:17] = limbs.reshape(3, -1, 12)
    body[..., 17:22] = (_axes(neck) + SKULL)[:, None]
    body[..., 22:24] = wrists + (wrists - elbows) * 0.3
    body[..., 24:26] = ankles + _axes((0, -0.04, 0.14))[..., None]
    body[..., 26] = (hips[..., 0] + hips[..., 1]) / 2
    body[..., 27] = body[..., 26] + _axes((0, -0.42, 0.03))
    return body


OUT = np.array((-1.0, 1.0))  # sideways: the left, the right
ROOTS = np.array((((-0.18, 0.18), (-0.1, 0.1)), ((1.43, 1.43), (0.92, 0.92)), ((0, 0), (0, 0))))  # of arms and legs
BONES = np.array(((0.29, 0.43), (0.26, 0.42)))  # length of the upper and the lower bone of arm and leg


def _walking(u: Float[np.ndarray, "8 n"]) -> Float[np.ndarray, "3 n q"]:
    """People 1.75 m tall who walk or stand, some with a hand raised.

    A bone swings (sideways, forward) by a share of its length and hangs down as far as that leaves it.
    """
    n = u.shape[1]
    stride = np.where(u[0] < 0.75, between(u[1], -0.5, 0.5), between(u[1], -0.06, 0.06))
    side, forward = np.zeros((2, n, 2, 2, 2))  # body, (upper, lower bone), (arm, leg), (left, right)
    side[:, 0, 0] = OUT * between(u[2:4], 0.08, 0.3).T
    forward[:, 0] = stride[:, None, None] * ((-1, 1), (1, -1))
    forward[:, 1, 0] = forward[:, 0, 0] + between(u[4:6], 0.05, 0.4).T
    forward[:, 1, 1] = forward[:, 0, 1] - 0.1 + 0.5 * np.minimum(forward[:, 0, 1], 0)
    bones = np.array([side, -np.sqrt(1 - side * side - forward * forward), forward]) * BONES[..., None]

    limbs = np.empty((3, n, 2, 3, 2))
    limbs[:, :, :, 0] = ROOTS[:, None]
    limbs[:, :, :, 1] = limbs[:, :, :, 0] + bones[:, :, 0]
    limbs[:, :, :, 2] = limbs[:, :, :, 1] + bones[:, :, 1]
    raised = u[6:8].T < 0.12
    for joint, out, up, ahead in ((1, 0.2, -0.12, 0.17), (2, 0.1, 0.12, 0.2)):
        hand = ROOTS[:, 0] + (out * OUT, (up, up), (ahead, ahead))
        limbs[:, :, 0, joint] = np.where(raised, hand[:, None], limbs[:, :, 0, joint])

    body = _body(limbs.reshape(3, n, 6, 2), neck=(0.0, 1.49, 0.0))
    left, right = body[1, :, FACE + 10 : FACE + 12].T
    body[1] += (0.09 - np.minimum(left, right))[:, None]  # the lower foot stands on the ground
    return body


def _seated() -> Float[np.ndarray, "3 4 q"]:
    """A rider on the bicycle with the pedals in four positions."""
    limbs = np.empty((3, 4, 6, 2))
    for side, x in enumerate((-1.0, 1.0)):
        limbs[:, :, 0, side] = _axes((x * 0.18, 1.38, 0.14))
        limbs[:, :, 1, side] = _axes((x * 0.24, 1.16, 0.27))
        limbs[:, :, 2, side] = _axes((x * 0.22, 1.05, 0.45))
        limbs[:, :, 3, side] = _axes((x * 0.09, 0.98, -0.2))
        turn = ((0, 1), (1, 0), (0, -1), (-1, 0))
        limbs[:, :, 5, side] = _axes(*((x * 0.1, 0.38 + x * 0.17 * up, x * 0.17 * on) for up, on in turn))
        limbs[:, :, 4, side] = (limbs[:, :, 3, side] + limbs[:, :, 5, side]) / 2 + _axes((x * 0.04, 0.1, 0.2))
    bicycle = np.broadcast_to(_axes(*BICYCLE_POINTS.values())[:, None], (3, 4, len(BICYCLE_POINTS)))
    return np.concatenate([_body(limbs, neck=(0.0, 1.47, 0.2)), bicycle], axis=2)


STEPS = _walking(Draws(0, 0).uniform(8, 96))
SEATED = _seated()


def pedestrians(
    place: Float[np.ndarray, "2 n"], heading: Float[np.ndarray, "2 n"], scale: float, u: Float[np.ndarray, "10 n"]
) -> Pedestrians:
    """People on foot at `place` (X, Z) who face along `heading`; `u` are fractions that choose looks and pose."""
    tall = scale * np.where(u[1] < 0.2, between(u[2], 0.62, 0.8), between(u[2], 0.9, 1.08))
    pose = STEPS[:, (u[0] * STEPS.shape[1]).astype(int)]
    points = turned(pose * tall[:, None], place, heading)
    parts, order = WALKER.draw(points, tall)
    shown = (order != len(BODY)) | (u[3] < 0.25)[:, None]
    shows, depth = SHOWS[order], points[2]
    shows[:, :, :FACE] &= (depth[:, :FACE] < depth[:, [CROWN]] + 0.03 * tall[:, None])[:, None]  # not behind the head
    bodies = Bodies(PEDESTRIAN, parts, WALKER.colours(order, u[4:]), place[1], shown)
    return Pedestrians(bodies, points[..., : len(KEYPOINTS)], shows)


def cyclists(
    place: Float[np.ndarray, "2 n"], heading: Float[np.ndarray, "2 n"], scale: float, u: Float[np.ndarray, "8 n"]
) -> Bodies:
    """Riders with their bicycles at `place` (X, Z), bound for `heading`; `u` chooses looks and pose."""
    tall = scale * between(u[1], 0.92, 1.06)
    pose = SEATED[:, (u[0] * SEATED.shape[1]).astype(int)]
    parts, order = RIDER.draw(turned(pose * tall[:, None], place, heading), tall)
    return Bodies(BICYCLIST, parts, RIDER.colours(order, u[2:]), place[1])
