"""Who and what is in the street, and where: every function draws its places and leaves the looks to others.

A knob takes away or enlarges and leaves the draws as they are, so that scenes with different knobs remain the same
scene.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from .draws import Draws, between
from .geometry import unit
from .street import Street

__all__ = [
    "GARDEN_TREES",
    "Placed",
    "place_cars",
    "place_cyclists",
    "place_lamps",
    "place_pedestrians",
    "place_signs",
    "place_trees",
]


@dataclass(frozen=True)
class Placed:
    """Places (X, Z) in metres, headings as unit vectors (X, Z), and the fractions that choose looks."""

    place: Float[np.ndarray, "2 n"]
    heading: Float[np.ndarray, "2 n"]
    looks: Float[np.ndarray, "k n"]


def _placed(
    keep: Bool[np.ndarray, "n"],
    x: Float[np.ndarray, "n"],
    z: Float[np.ndarray, "n"],
    looks: Float[np.ndarray, "k n"],
    heading: tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]] | None = None,
) -> Placed:
    heading = heading or (0 * x, 0 * x + 1)
    return Placed(np.array([x[keep], z[keep]]), unit(np.array(heading)[:, keep]), looks[:, keep])


def _by(
    on_right: Bool[np.ndarray, "n"], lines: tuple[float, float], offset: float | Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """X of what stands `offset` metres outwards of the left or the right of two lines along the street."""
    return np.where(on_right, lines[1] + offset, lines[0] - offset)


def _clear(street: Street, z: Float[np.ndarray, "n"], margin: float) -> Bool[np.ndarray, "n"]:
    """Whether a place is at least `margin` metres before or beyond the side street."""
    return (z < street.junction[0] - margin) | (z > street.junction[1] + margin)


GARDEN_TREES = 6


def place_trees(draws: Draws, street: Street, looks: int) -> Placed:
    """Trees behind what lines the pavements, which are the first `GARDEN_TREES`, and along the kerbs."""
    u = draws.uniform(looks + 3, GARDEN_TREES + 6)
    number, on_right = np.arange(u.shape[1]) - GARDEN_TREES, u[0] < 0.5
    garden = number < 0
    x = np.where(garden, _by(on_right, street.walls, between(u[2], 1.5, 6.0)), _by(on_right, street.kerbs, 0.7))
    z = np.where(garden, between(u[1], 8.0, 60.0), 5.0 + 7.0 * number + 4.0 * u[1])
    return _placed(garden | ((u[2] < 0.55) & _clear(street, z, 1.0)), x, z, u[3:])


def place_lamps(draws: Draws, street: Street, share: float) -> Placed:
    """Lamps along the kerbs that head for the road; `share` of those there could be."""
    u = draws.uniform(3, 4)
    on_right, z = u[0] < 0.5, 6.0 + 11.0 * np.arange(4) + 5.0 * u[1]
    heading = np.where(on_right, -1.0, 1.0), np.zeros(4)
    keep = (u[2] < 0.8 * share) & _clear(street, z, 0.5)
    return _placed(keep, _by(on_right, street.kerbs, 0.4), z, u[3:], heading)


def place_signs(draws: Draws, street: Street, looks: int, share: float) -> Placed:
    """Signs along the kerbs."""
    u = draws.uniform(looks + 3, 6)
    x, z = _by(u[0] < 0.5, street.kerbs, 0.5), 4.5 + 25.0 * u[1] * u[1]
    return _placed((u[2] < 0.45 * share) & _clear(street, z, 0.0), x, z, u[3:])


def place_cars(draws: Draws, street: Street, looks: int, size: float) -> Placed:
    """Eight places to park along the kerbs, four cars in the lanes, and two in the side street."""
    u = draws.uniform(looks + 3, 14)
    number, (left, right), (begin, end) = np.arange(14), street.kerbs, street.junction
    on_right, parked, crossing = number % 2 == 1, number < 8, number >= 12
    x = _by(on_right, street.kerbs, np.where(parked, -1.05, -0.29 * (right - left))) + between(u[0], -0.12, 0.12)
    z = np.where(parked, 6.5 + 6.6 * (number // 2) + u[1], np.where(number < 10, 9.0, 25.0) + 14.0 * u[1])
    z *= max(size, 1.0)  # large cars keep their distance
    heading = between(u[0], -0.04, 0.04), np.where(on_right, street.flow[1], street.flow[0])
    keep = (u[2] < np.where(parked, 0.45, 0.4)) & ~crossing & _clear(street, z, 3.0)
    if begin < np.inf:
        x = np.where(crossing, between(u[1], -14.0, 14.0), x)
        z = np.where(crossing, begin + (end - begin) * np.where(on_right, 0.72, 0.28), z)
        heading = np.where(crossing, np.where(on_right, -1.0, 1.0), heading[0]), np.where(crossing, 0.0, heading[1])
        keep |= crossing & (u[2] < 0.6)
    keep &= (np.abs(x) > 1.6) | (z > 8.0)  # none so close in front of the lens that it hides the street
    return _placed(keep, x, z, u[3:], heading)


def place_pedestrians(draws: Draws, street: Street, looks: int, share: float) -> Placed:
    """People on the pavements, the first three of them on the zebra crossing where there is one."""
    u = draws.uniform(looks + 6, 9)
    on_right, z = u[0] < 0.5, 4.0 + 26.0 * u[1] * u[1]
    wide = np.where(on_right, street.walls[1] - street.kerbs[1], street.kerbs[0] - street.walls[0])
    x = _by(on_right, street.kerbs, 0.4 + (wide - 0.8) * u[2])
    heading = between(u[3], -0.6, 0.6), np.where(u[4] < 0.6, -1.0, 1.0)
    begin, crossing = street.junction[0], np.arange(9) < 3
    if begin < np.inf:
        x = np.where(crossing, between(u[2], *street.kerbs), x)
        z = np.where(crossing, begin - between(u[1], 1.2, 2.8), z)
        heading = np.where(crossing, heading[1], heading[0]), np.where(crossing, 0.4 * heading[0], heading[1])
    return _placed((u[5] < 0.5 * share) & (crossing | _clear(street, z, 0.0)), x, z, u[6:], heading)


def place_cyclists(draws: Draws, street: Street, looks: int, share: float) -> Placed:
    """Two cyclists in each lane, the first of all in the side street where there is one."""
    u = draws.uniform(looks + 4, 4)
    number = np.arange(4)
    on_right, z = number % 2 == 1, np.where(number < 2, 4.8 + 5.0 * u[1], 12.0 + 16.0 * u[1])
    x = _by(on_right, street.kerbs, -2.4)
    heading = between(u[2], -0.35, 0.35), np.where(on_right, street.flow[1], street.flow[0])
    if street.junction[0] < np.inf:
        x[0], z[0] = between(u[2, 0], -8.0, 8.0), street.junction[0] + 1.0
        heading[0][0], heading[1][0] = (1.0 if u[1, 0] < 0.5 else -1.0), 0.0
    return _placed(u[3] < 0.4 * share, x, z, u[4:], heading)
