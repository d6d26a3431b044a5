"""Cars: solids of flat faces."""

import numpy as np
from jaxtyping import Float

from .canvas import Bodies
from .classes import CAR
from .draws import between, pick
from .geometry import CORNERS, turned

__all__ = ["CAR_DRAWS", "cars"]

CAR_DRAWS = 4  # random fractions that the looks of one car take

Point = tuple[float, float, float]  # (right, up, forward) in metres from the ground under the middle of the car
Face = tuple[str, list[Point]]

BODY_COLOURS = np.array(
    [
        (0.78, 0.79, 0.80),
        (0.16, 0.17, 0.19),
        (0.90, 0.90, 0.88),
        (0.68, 0.13, 0.12),
        (0.16, 0.27, 0.52),
        (0.42, 0.45, 0.47),
        (0.20, 0.38, 0.30),
        (0.86, 0.63, 0.17),
        (0.50, 0.66, 0.76),
        (0.60, 0.50, 0.40),
    ]
)
# The colour of each sort of face, or its share of the body's colour.
MATERIALS: dict[str, float | tuple[float, float, float]] = {
    "side": 0.88,
    "end": 0.8,
    "top": 1.12,
    "pillar": 0.75,
    "glass": (0.16, 0.21, 0.26),
    "screen": (0.27, 0.34, 0.40),
    "tyre": (0.07, 0.07, 0.08),
    "hub": (0.62, 0.63, 0.65),
    "bumper": (0.17, 0.17, 0.18),
    "rear light": (0.80, 0.10, 0.08),
    "headlight": (0.97, 0.95, 0.84),
    "plate": (0.92, 0.90, 0.78),
}
OCTAGON = ((1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7), (-1, 0), (-0.7, -0.7), (0, -1), (0.7, -0.7))


def _model(
    length: float, width: float, belt: float, height: float, cabin: tuple[float, float], roof: tuple[float, float]
) -> list[Face]:
    """The faces of a car in painting order: the body up to the belt line, then the cabin on it.

    `cabin` and `roof` are where the cabin begins and ends at the belt line and at the top.
    """
    x, rear, front, boot, bonnet = width / 2, -length / 2, length / 2, belt * 0.92, belt * 0.8
    faces: list[Face] = []

    def upright(z: float, left: float, right: float, low: float, high: float) -> list[Point]:
        return [(left, low, z), (right, low, z), (right, high, z), (left, high, z)]

    def both_sides(name: str, z: float, inner: float, outer: float, low: float, high: float) -> None:
        faces.extend((name, upright(z, side * inner, side * outer, low, high)) for side in (-x, x))

    for end in (rear, front):
        both_sides("tyre", end * 0.97, 0.6, 0.95, 0.0, 0.3)
    for side in (-x, x):
        outline = ((0.24, rear), (boot, rear), (belt, cabin[0]), (belt, cabin[1]), (bonnet, front), (0.24, front))
        faces.append(("side", [(side, up, z) for up, z in outline]))
        for axle in (rear + 0.19 * length, front - 0.19 * length):
            for name, radius in (("tyre", 0.33), ("hub", 0.18)):
                faces.append((name, [(side * 1.02, 0.33 + radius * up, axle + radius * z) for up, z in OCTAGON]))
    for end, rim, light, edge in ((rear, boot, "rear light", cabin[0]), (front, bonnet, "headlight", cabin[1])):
        faces.append(("end", upright(end, -x, x, 0.24, rim)))
        faces.append(("bumper", upright(end * 1.01, -x, x, 0.24, 0.4)))
        both_sides(light, end * 1.01, 0.58, 0.93, rim - 0.26, rim - 0.08)
        faces.append(("plate", upright(end * 1.01, -0.26, 0.26, 0.46, 0.57)))
        faces.append(("top", [(-x, belt, edge), (x, belt, edge), (x, rim, end), (-x, rim, end)]))

    def skin(side: float, along: float, up: float) -> Point:
        """A point of the cabin: side in [−1, 1]; along from rear to front and up from belt to roof in [0, 1]."""
        low, high = (first + (last - first) * along for first, last in (cabin, roof))
        return side * (x - 0.13 * up), belt + (height - belt) * up, low + (high - low) * up

    for side in (-1, 1):
        faces.append(("pillar", [skin(side, *corner) for corner in ((0, 0), (1, 0), (1, 1), (0, 1))]))
        for a, b in ((0.06, 0.47), (0.53, 0.94)):
            faces.append(("glass", [skin(side, *corner) for corner in ((a, 0.1), (b, 0.1), (b, 0.86), (a, 0.86))]))
    for end in (0, 1):
        for name, w, low, high in (("pillar", 1, 0, 1), ("screen", 0.86, 0.1, 0.88)):
            faces.append((name, [skin(-w, end, low), skin(w, end, low), skin(w, end, high), skin(-w, end, high)]))
    faces.append(("top", [skin(-1, 0, 1), skin(1, 0, 1), skin(1, 1, 1), skin(-1, 1, 1)]))
    return faces


def _wound(corners: list[Point]) -> Float[np.ndarray, "8 3"]:
    """A face with its corners clockwise as seen from outside, the last repeated."""
    a, b, c = np.array(corners[:3])
    outwards = np.mean(corners, axis=0) - (0.0, 0.55, 0.0)
    if (np.cross(b - a, c - a) * outwards).sum() < 0:
        corners = corners[::-1]
    return np.array(corners + corners[-1:] * (CORNERS - len(corners)))


MODELS = [
    _model(4.3, 1.75, 0.92, 1.45, cabin=(-1.75, 0.95), roof=(-1.25, 0.25)),  # a saloon
    _model(3.8, 1.68, 0.95, 1.50, cabin=(-1.85, 1.0), roof=(-1.55, 0.35)),  # a hatchback
    _model(4.6, 1.86, 1.08, 1.74, cabin=(-2.2, 1.05), roof=(-1.95, 0.45)),  # an off-roader
    _model(5.1, 1.95, 1.15, 2.25, cabin=(-2.5, 1.75), roof=(-2.45, 1.15)),  # a van
]
FACES = np.array([[_wound(corners) for _, corners in model] for model in MODELS]).transpose(0, 2, 1, 3)  # by corner
MATERIAL = np.array([list(MATERIALS).index(name) for name, _ in MODELS[0]])
LIGHTS = np.array([name in ("rear light", "headlight") for name, _ in MODELS[0]])


def cars(
    place: Float[np.ndarray, "2 n"], heading: Float[np.ndarray, "2 n"], scale: float, u: Float[np.ndarray, "4 n"]
) -> Bodies:
    """Cars at `place` (X, Z) that point along `heading`; `u` are fractions that choose their looks."""
    size = scale * between(u[1], 0.94, 1.06)
    faces = turned(pick(FACES, u[0]).transpose(3, 0, 1, 2) * size[:, None, None], place, heading)
    faces[2] = np.maximum(faces[2], 0.5)  # what would be behind the lens
    body = pick(BODY_COLOURS, u[2]) * between(u[3], 0.85, 1.1)[:, None]
    colours = np.empty((len(body), len(MATERIALS), 3))
    for i, colour in enumerate(MATERIALS.values()):
        colours[:, i] = body * colour if isinstance(colour, float) else colour
    return Bodies(CAR, faces.swapaxes(1, 2), colours[:, MATERIAL], place[1], glow=LIGHTS, grain=0.03)
