"""The street itself: where camera, road, pavements and fronts are, and how they are painted."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .canvas import Canvas
from .classes import BUILDING, FENCE, PAVEMENT, ROAD, SKY, TREE
from .draws import Draws, between
from .fronts import (
    END_FRONTS,
    HOLE,
    LAMPLIGHT,
    OPEN,
    PAINTS,
    PANE,
    ROOF,
    SIDE_FRONTS,
    TEXELS,
    Fronts,
    Side,
    cut_side,
    draw_fronts,
    patterns,
)
from .geometry import Camera

__all__ = ["Street", "View", "lay_street", "look_aside", "paint_backs", "paint_fronts", "paint_ground"]

HOUSE_DEPTH = 12.0  # metres a house reaches back from the street


@dataclass(frozen=True)
class Street:
    """Where everything is, in metres; the left side comes first.

    A side street crosses from `junction[0]` to `junction[1]` metres ahead (inf: there is none). `flow` says
    whether each lane leads away from the camera (1) or towards it (−1).
    """

    camera: Camera
    kerbs: tuple[float, float]
    walls: tuple[float, float]
    junction: tuple[float, float]
    flow: tuple[float, float]
    end: float
    fronts: Fronts
    sides: tuple[Side, Side]


def lay_street(draws: Draws, size: tuple[int, int]) -> Street:
    """Draw a street and the place of the camera in it."""
    height, width = size
    u = draws.uniform(14)
    focal, centre, horizon, lens = between(u[:4], LENS[0], LENS[1]).tolist()
    road, pavement_left, pavement_right, begin, across, end = between(u[4:10], METRES[0], METRES[1]).tolist()
    left = -float(between(u[10], 0.12, 0.88)) * road
    junction = (begin, begin + across) if u[11] < 0.4 else (np.inf, np.inf)
    fronts, lengths = draw_fronts(draws)
    return Street(
        camera=Camera(focal * max(size), centre * width, horizon * height, lens),
        kerbs=(left, left + road),
        walls=(left - pavement_left, left + road + pavement_right),
        junction=junction,
        flow=(1.0, -1.0) if u[12] < 0.5 else (-1.0, 1.0),
        end=end,
        fronts=fronts,
        sides=(
            cut_side(lengths[:SIDE_FRONTS], 0, fronts.kind, junction),
            cut_side(lengths[SIDE_FRONTS:], SIDE_FRONTS, fronts.kind, junction),
        ),
    )


# The least and the most of: focal length by the longer side, vanishing point by width and height, lens in metres …
LENS = np.array([(0.75, 0.3, 0.4, 1.5), (1.1, 0.7, 0.54, 2.6)])
# … and of the road, both pavements, the distance and width of the side street, and the length of the street.
METRES = np.array([(6.5, 2.2, 2.2, 13, 6, 60), (10, 4.5, 4.5, 26, 9, 110)])


# What the ground is, by distance from the lens to the side, in a table of rows:
PLAIN, DASH, JOINT, DASH_AND_JOINT, ZEBRA, CROSSING = range(6)
CELLS = 16  # a metre
REACH = 32  # metres to either side
SIDE = (np.arange(2 * REACH * CELLS) + 0.5) / CELLS - REACH
JOINTS = np.floor(SIDE / 0.9) != np.floor((SIDE - 0.05) / 0.9)  # of the slabs, along the street
STRIPES = SIDE - np.floor(SIDE) < 0.5


def paint_ground(canvas: Canvas, street: Street, sun: float) -> None:
    """Road, marks, kerbs and pavement below the horizon; the sky is paint 0.

    `sun` metres is how far to the right the shadow of something one metre tall falls.
    """
    canvas.mix(SKY + 1, np.zeros((1, 3)), glow=True)
    road = canvas.mix(ROAD + 1, np.array([(0.36, 0.36, 0.38), (0.86, 0.86, 0.82)]), grain=np.array([0.16, 0.1]))
    mark = road + 1
    slab = canvas.mix(
        PAVEMENT + 1,
        np.array([(0.63, 0.60, 0.57), (0.54, 0.51, 0.48), (0.74, 0.72, 0.69)]),
        grain=np.array([0.12, 0.1, 0.08]),
    )
    joint, kerb = slab + 1, slab + 2

    (left, right), (begin, end) = street.kerbs, street.junction
    from_middle, half = np.abs(SIDE - (left + right) / 2), (right - left) / 2
    on_road, paved = from_middle < half, from_middle > half + 0.24
    ground = np.empty((6, len(SIDE)), dtype=np.intp)
    ground[PLAIN] = np.where(on_road, road, np.where(paved, np.where(JOINTS, joint, slab), kerb))
    ground[PLAIN, np.abs(from_middle - half + 0.35) < 0.06] = mark
    ground[DASH] = np.where(from_middle < 0.08, mark, ground[PLAIN])
    ground[JOINT : JOINT + 2] = np.where(paved, joint, ground[: DASH + 1])
    ground[ZEBRA] = np.where(on_road & STRIPES, mark, ground[PLAIN])
    ground[CROSSING] = road

    camera = street.camera
    height, width = canvas.paint.shape
    first = int(np.ceil(camera.horizon - 0.5))
    distance = camera.focal * camera.height / np.maximum(np.arange(first, height) + 0.5 - camera.horizon, 0.05)
    zone = DASH * (distance % 6.0 < 3.0) + JOINT * ((distance % 1.2 < 0.07) & (distance < 16))
    zone[(distance > begin - 3.2) & (distance < begin - 0.8)] = ZEBRA
    zone[(distance >= begin) & (distance < end)] = CROSSING
    across = np.arange(width) + 0.5 - camera.centre
    x = across.astype(np.float32) * (distance / camera.focal).astype(np.float32)[:, None]
    cell = np.clip((x + np.float32(REACH)) * np.float32(CELLS), 0, len(SIDE) - 1).astype(np.intp)
    canvas.paint[first:] = ground.take(cell + (zone * len(SIDE))[:, None])
    canvas.depth[first:] = distance[:, None]

    shady, wall = (0, street.walls[0]) if sun > 0 else (1, street.walls[1])
    side = street.sides[shady]
    front = side.front[np.searchsorted(side.start, distance, side="right") - 1]
    tall = np.where(front == OPEN, 0, street.fronts.top[front] * street.fronts.storey[front])
    # Not over all of the street, or the picture would be dull.
    reach = np.minimum(tall * abs(sun), (street.walls[1] - street.walls[0]) * 0.55)
    canvas.shadow[first:] = (x - np.float32(wall)) * (1 if sun > 0 else -1) < reach.astype(np.float32)[:, None]


@dataclass(frozen=True)
class View:
    """What each column of the picture looks at: the wall at its side, what stands there, and the next house.

    `across` is in pixels from the vanishing point, `lateral` and `distance` in metres, fronts are rows of `Fronts`.
    """

    across: Float[np.ndarray, "w"]
    lateral: Float[np.ndarray, "w"]
    distance: Float[np.ndarray, "w"]
    front: Int[np.ndarray, "w"]
    next_start: Float[np.ndarray, "w"]
    next_front: Int[np.ndarray, "w"]


def look_aside(street: Street, width: int) -> View:
    """The view of a picture `width` pixels wide."""
    across = np.arange(width) + 0.5 - street.camera.centre
    on_right = across > 0
    lateral = np.where(on_right, street.walls[1], -street.walls[0])
    distance = street.camera.focal * lateral / np.maximum(np.abs(across), 0.01)
    found = np.empty((3, width))
    for columns, side in zip((~on_right, on_right), street.sides, strict=True):
        piece = np.searchsorted(side.start, distance[columns], side="right") - 1
        found[:, columns] = side.front[piece], side.next_start[piece], side.next_front[piece]
    front = np.where(distance > street.end, OPEN, found[0]).astype(int)
    return View(across, lateral, distance, front, found[1], found[2].astype(int))


def paint_backs(canvas: Canvas, street: Street, view: View, lit: float, thin: float) -> None:
    """What is seen between and over the fronts: the side of the next house, else the far end of the street."""
    reach = view.lateral * np.minimum(view.next_start, 1e6) / view.distance - view.lateral
    house = (view.next_start < street.end) & (reach < HOUSE_DEPTH) & (view.distance <= street.end)
    skyline = view.across * (street.end / street.camera.focal)
    block = 2 * SIDE_FRONTS + np.floor(skyline / 9.0).astype(int) % END_FRONTS
    distance = np.where(house, view.next_start, street.end)
    front = np.where(house, view.next_front, block)
    first = _mix_fronts(canvas, street.fronts, lit, np.full(len(street.fronts.kind), 0.78))
    _raise(canvas, street, distance, np.where(house, reach, skyline), front, first, thin, first)


def paint_fronts(canvas: Canvas, street: Street, view: View, lit: float, thin: float, sun: float, behind: int) -> None:
    """The fronts that face the street, over paints before number `behind`; the sun lights one side."""
    sides = (1.0 - 0.12 * np.sign(sun), 1.0 + 0.12 * np.sign(sun), 1.0)
    first = _mix_fronts(canvas, street.fronts, lit, np.repeat(sides, (SIDE_FRONTS, SIDE_FRONTS, END_FRONTS)))
    _raise(canvas, street, view.distance, view.distance, view.front, first, thin, behind)


def _mix_fronts(canvas: Canvas, fronts: Fronts, lit: float, shade: Float[np.ndarray, "k"]) -> int:
    glow = np.zeros(fronts.colours.shape[:2], dtype=bool)
    glow[:, PANE:] = fronts.lit < lit
    colours = np.where(glow[..., None], LAMPLIGHT, fronts.colours * shade[:, None, None])
    segment = np.array([BUILDING, FENCE, FENCE, TREE])[fronts.kind] + 1
    grain = np.array([0.10, 0.06, 0.15, 0.45])[fronts.kind]
    return canvas.mix(segment[:, None], colours, grain[:, None], glow)


def _raise(
    canvas: Canvas,
    street: Street,
    distance: Float[np.ndarray, "w"],
    along: Float[np.ndarray, "w"],
    front: Int[np.ndarray, "w"],
    first: int,
    thin: float,
    behind: int,
) -> None:
    """Raise over each column a front `distance` away, seen `along` metres from where its pattern begins.

    `first` is the first of the fronts' paints; only pixels with paints before number `behind` are painted over.
    """
    fronts, camera, papers = street.fronts, street.camera, patterns(thin)
    _, high, wide = papers.shape
    lowest = int(camera.horizon + camera.focal * camera.height / distance.min()) + 1
    paint, depth = canvas.paint[:lowest], canvas.depth[:lowest]
    rows = (np.arange(len(paint)) + 0.5 - camera.horizon).astype(np.float32)[:, None]
    step = TEXELS / fronts.storey[front]
    up = rows * (-distance / camera.focal * step).astype(np.float32) + (camera.height * step).astype(np.float32)
    top = np.where(front == OPEN, 0, fronts.top[front]) * TEXELS
    inside = (up >= 0) & (up < top.astype(np.float32))
    texel = np.floor(along / fronts.bay[front] * TEXELS).astype(np.intp) % wide + fronts.pattern[front] * (high * wide)
    part = papers.take(up.astype(np.intp) * wide + texel, mode="clip")
    np.copyto(part, ROOF, where=up >= (fronts.eaves[front] * TEXELS).astype(np.float32))
    inside &= (part != HOLE) & (paint < behind)
    np.copyto(paint, part + (first + front * PAINTS), where=inside)
    np.copyto(depth, distance.astype(np.float32), where=inside)
