"""What lines the street: houses, fences and hedges, what they look like and where each begins."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, UInt8

from .draws import Draws, between, pick

__all__ = [
    "END_FRONTS",
    "HOLE",
    "HOUSE",
    "LAMPLIGHT",
    "OPEN",
    "PAINTS",
    "PANE",
    "ROOF",
    "SIDE_FRONTS",
    "TEXELS",
    "Fronts",
    "Side",
    "cut_side",
    "draw_fronts",
    "patterns",
]

HOUSE, RAILING, PLANKS, HEDGE = range(4)  # what can stand along a pavement
OPEN = -1  # … or nothing
SIDE_FRONTS, END_FRONTS = 9, 12  # on each side, and across the far end

WALL_COLOURS = np.array(
    [
        (0.62, 0.36, 0.28),
        (0.72, 0.45, 0.33),
        (0.86, 0.79, 0.66),
        (0.70, 0.66, 0.60),
        (0.82, 0.68, 0.46),
        (0.62, 0.69, 0.74),
        (0.88, 0.86, 0.82),
        (0.55, 0.50, 0.46),
        (0.76, 0.58, 0.52),
        (0.66, 0.70, 0.58),
    ]
)
ROOF_COLOURS = np.array([(0.45, 0.24, 0.20), (0.34, 0.31, 0.32), (0.52, 0.34, 0.26), (0.28, 0.30, 0.34)])
DOOR_COLOURS = np.array([(0.30, 0.20, 0.14), (0.15, 0.28, 0.24), (0.45, 0.13, 0.12), (0.14, 0.20, 0.34)])
AWNING_COLOURS = np.array([(0.72, 0.18, 0.16), (0.14, 0.42, 0.34), (0.86, 0.62, 0.18), (0.18, 0.32, 0.60)])
GLASS, LAMPLIGHT = np.array((0.22, 0.27, 0.33)), np.array((1.0, 0.82, 0.48))
FENCE_COLOURS = np.array(  # of railing, planks, hedge: the light and the dark part
    [
        ((0.20, 0.26, 0.25), (0.16, 0.21, 0.20)),
        ((0.56, 0.42, 0.29), (0.44, 0.32, 0.22)),
        ((0.26, 0.40, 0.18), (0.20, 0.33, 0.15)),
    ]
)

# The paints of one front. Its windows are of six kinds, each with the light on or off.
WALL, TRIM, ROOF, DOOR, AWNING, PANE = range(6)
PANES = 6
PAINTS = PANE + PANES
HOLE = PAINTS  # where one looks through


@dataclass(frozen=True)
class Fronts:
    """What stands along the street, one row each: left side, right side, far end.

    A front is papered with a pattern of `bay` × `storey` metres a cell, up to `top` storeys; from `eaves` on (in
    storeys too) it is roof.
    """

    kind: Int[np.ndarray, "k"]
    pattern: Int[np.ndarray, "k"]
    bay: Float[np.ndarray, "k"]
    storey: Float[np.ndarray, "k"]
    top: Float[np.ndarray, "k"]
    eaves: Float[np.ndarray, "k"]
    colours: Float[np.ndarray, "k 11 3"]
    lit: Float[np.ndarray, "k 6"]


@dataclass(frozen=True)
class Side:
    """One side of the street, cut into pieces by distance.

    Piece i begins at `start[i]` metres and shows `front[i]`, a row of `Fronts` or OPEN. Beyond it the next house
    begins at `next_start[i]` (inf: there is none); that is row `next_front[i]`.
    """

    start: Float[np.ndarray, "i"]
    front: Int[np.ndarray, "i"]
    next_start: Float[np.ndarray, "i"]
    next_front: Int[np.ndarray, "i"]


def draw_fronts(draws: Draws) -> tuple[Fronts, Float[np.ndarray, "18"]]:
    """The fronts, and the length in metres of those along the sides."""
    along = 2 * SIDE_FRONTS
    built_up = np.full(along + END_FRONTS, 0.7)
    built_up[:along] = np.repeat(pick(np.array([0.2, 0.7, 0.9]), draws.uniform(2)), SIDE_FRONTS)
    u = draws.uniform(along + END_FRONTS, 13).T
    house, far = u[0] < built_up, np.arange(along + END_FRONTS) >= along
    kind = np.where(house, HOUSE, np.where(far, HEDGE, pick(np.array([RAILING, RAILING, PLANKS, HEDGE]), u[1])))

    storeys = 2 + np.floor(between(u[2] * u[2], 0.0, 5.0))
    roof = np.where(u[3] < 0.5, between(u[4], 0.3, 0.7), 0.12)
    fence_height = np.where(far, between(u[2], 5.0, 13.0), between(u[2], 1.0, 1.9))

    colours = np.empty((len(kind), PAINTS, 3))
    wall = pick(WALL_COLOURS, u[5]) * between(u[6], 0.85, 1.1)[:, None]
    trim = wall * np.where(u[7] < 0.5, 0.8, 1.15)[:, None]
    fence_wall, fence_trim = FENCE_COLOURS[kind - RAILING].swapaxes(0, 1)
    colours[:, WALL] = np.where(house[:, None], wall, fence_wall)
    colours[:, TRIM] = np.where(house[:, None], trim, fence_trim)
    colours[:, ROOF] = np.where((roof > 0.2)[:, None], pick(ROOF_COLOURS, u[8]), wall * 0.7)
    colours[:, DOOR], colours[:, AWNING] = pick(DOOR_COLOURS, u[8]), pick(AWNING_COLOURS, u[9])
    colours[:, PANE:] = GLASS * between(u[9], 0.7, 1.5)[:, None, None]

    fronts = Fronts(
        kind=kind,
        pattern=np.where(house, len(FENCE_COLOURS) + (u[10] * HOUSE_PATTERNS).astype(int), kind - RAILING),
        bay=np.where(house, between(u[11], 2.0, 3.2), np.where(far, 2.0, 0.5)),
        storey=np.where(house, between(u[12], 2.8, 3.6), fence_height),
        top=np.where(house, storeys + roof, 1.0),
        eaves=np.where(house, storeys, np.inf),
        colours=colours,
        lit=draws.uniform(len(kind), PANES),
    )
    return fronts, np.where(house, between(u[1], 7.0, 17.0), between(u[1], 4.0, 10.0))[:along]


def cut_side(
    lengths: Float[np.ndarray, "i"], first: int, kinds: Int[np.ndarray, "k"], junction: tuple[float, float]
) -> Side:
    """Fronts `first`, first + 1, … in a row from a little behind the camera, with the side street cut out."""
    starts = (np.cumsum(lengths) - lengths - 3.0).tolist()
    pieces = list(zip(starts, range(first, first + len(starts)), strict=True))
    begin, end = junction
    if begin < np.inf:
        goes_on = pieces[bisect_right(starts, end) - 1][1]
        before, after = ([p for p in pieces if p[0] < begin], [p for p in pieces if p[0] > end])
        pieces = [*before, (begin, OPEN), (end, goes_on), *after]

    beyond = [(np.inf, OPEN)]
    for piece in reversed(pieces[1:]):
        beyond.append(piece if piece[1] != OPEN and kinds[piece[1]] == HOUSE else beyond[-1])
    start, front = zip(*pieces, strict=True)
    next_start, next_front = zip(*reversed(beyond), strict=True)
    return Side(np.array(start), np.array(front), np.array(next_start), np.array(next_front))


TEXELS = 16  # a bay and a storey are so many cells of a pattern wide and high
STOREYS, BAYS = 8, 6
WINDOWS = ((0.22, 0.25), (0.30, 0.30), (0.38, 0.22))  # half width by bay, half height by storey
HOUSE_PATTERNS = 2 * len(WINDOWS)


@lru_cache(maxsize=8)
def patterns(thin: float) -> UInt8[np.ndarray, "k 128 96"]:
    """The patterns of railing, planks and hedge, then of houses with and without a shop: parts by height and length."""
    v, u = np.meshgrid(np.arange(STOREYS * TEXELS), np.arange(BAYS * TEXELS), indexing="ij")
    storey, bay = v // TEXELS, u // TEXELS
    y, x = (v % TEXELS + 0.5) / TEXELS, (u % TEXELS + 0.5) / TEXELS
    bar, rail = max(round(5 * thin), 1) / TEXELS, max(round(2 * thin), 1) / TEXELS
    rails = (y > 1 - rail) | ((y > 2 / TEXELS) & (y < 2 / TEXELS + rail))
    bumps = (u * u * 7 + u * 3) // 5 % 5 / TEXELS
    papers = [
        np.where(rails, TRIM, np.where(x < bar, WALL, HOLE)),
        np.where(x < 0.5, WALL, TRIM),
        np.where(y > 1 - bumps, HOLE, np.where(y < 0.5, TRIM, WALL)),
    ]
    x, ground = np.abs(x - 0.5), storey == 0
    pane = PANE + (bay * 5 + storey * 7) % PANES
    for wide, high in WINDOWS:
        for shop in (True, False):
            part = np.where(y > 0.94, TRIM, WALL)
            part[(x < wide + 0.06) & (np.abs(y - 0.5) < high + 0.06)] = TRIM
            part = np.where((x < wide) & (np.abs(y - 0.5) < high), pane, part)
            if shop:
                part[ground] = np.where((x < 0.44) & (y < 0.7), pane, WALL)[ground]
                part[ground & (y > 0.7) & (y < 0.92)] = AWNING
            else:
                door = ground & (bay % 3 == 1)
                part[door] = np.where((x < 0.2) & (y < 0.72), DOOR, WALL)[door]
            papers.append(part)
    return np.stack(papers).astype(np.uint8)
