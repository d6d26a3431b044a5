"""What stands along the street: trees, lamp posts, and signs on their posts."""

import numpy as np
from jaxtyping import Float

from .canvas import Bodies
from .classes import POLE, SIGN, TREE
from .draws import between, pick
from .geometry import CORNERS

__all__ = ["LAMP_HEIGHT", "SEASONS", "SIGN_DRAWS", "TREE_DRAWS", "lamps", "signs", "trees"]

LEAVES, BRANCHES = 24, 12
TREE_DRAWS, SIGN_DRAWS = 3 + 3 * LEAVES, 3  # random fractions that the looks of one take
LAMP_HEIGHT = 6.0

# The colours of leaves, from the dark to the light; in winter, the last, there are none.
SEASONS = np.array(
    [
        [(0.22, 0.36, 0.14), (0.52, 0.66, 0.26)],
        [(0.13, 0.28, 0.13), (0.38, 0.54, 0.23)],
        [(0.42, 0.21, 0.10), (0.88, 0.60, 0.22)],
        [(0.26, 0.21, 0.17), (0.36, 0.30, 0.26)],
    ]
)
BARK = (0.28, 0.22, 0.18)
METAL, LAMP, GREY = (0.30, 0.32, 0.33), (1.0, 0.93, 0.74), (0.55, 0.56, 0.58)


def _flat_strokes(
    place: Float[np.ndarray, "2 n"], *shape: Float[np.ndarray, "n p"] | Float[np.ndarray, "1 p"]
) -> Float[np.ndarray, "8 n p"]:
    """Strokes at `place` (X, Z) in a plane across the street: from (x, y) to (x, y), and the radii there."""
    x, z = place[..., None]
    x0, y0, x1, y1, r0, r1 = shape
    parts = np.empty((8, *np.broadcast_shapes(x.shape, x0.shape)))
    for i, row in enumerate((x + x0, y0, z, x + x1, y1, z, r0, r1)):
        parts[i] = row
    return parts


def trees(place: Float[np.ndarray, "2 n"], season: int, behind: int, u: Float[np.ndarray, "75 n"]) -> Bodies:
    """Trees at `place` (X, Z): a trunk with a crown of leaves, or in winter of branches; `u` chooses their looks.

    The first, so many as `behind`, stand behind all else.
    """
    tall, wide = between(u[0], 4.5, 9.0)[:, None], between(u[1], 1.3, 2.6)[:, None]
    winter = season == len(SEASONS) - 1
    v = u[3:].reshape(3, LEAVES, -1).swapaxes(1, 2)[..., : BRANCHES if winter else LEAVES]
    x, y = v[:2] * 2 - 1
    x, y = x * (1 - 0.42 * np.abs(y)), y * (1 - 0.42 * np.abs(x))  # pulls the corners in, to a round crown
    x, y = x * wide, (0.68 + 0.3 * y) * tall
    if winter:
        crown = (0.12 * x, 0.3 * y + 0.15 * tall, x, y, 0.06 + 0 * x, 0.015 + 0 * x)
        bright = v[2]
    else:
        size = wide * between(1 - np.abs(v[0] - 0.5), 0.08, 0.46) * between(v[2], 0.6, 1.1)  # small at the sides
        crown = (x, y, x, y, size, size)
        bright = 0.7 * v[1] + 0.3 * v[2]
    trunk = (0 * tall, 0 * tall, 0 * tall, 0.68 * tall, 0.022 * tall, 0.012 * tall)
    dark, light = SEASONS[season]
    colours = np.empty((len(tall), 1 + x.shape[1], 3))
    colours[:, 0] = BARK
    colours[:, 1:] = (dark + (light - dark) * bright[..., None]) * between(u[2], 0.8, 1.15)[:, None, None]
    parts = _flat_strokes(place, *(np.concatenate(pair, axis=1) for pair in zip(trunk, crown, strict=True)))
    return Bodies(TREE, parts, colours, place[1], grain=0.1 if winter else 0.4, behind=behind)


LAMP_X, LAMP_Y = np.array(((0, 0, 0, 1.2, 1.7), (0, 1, LAMP_HEIGHT, LAMP_HEIGHT + 0.25, LAMP_HEIGHT + 0.25)))
LAMP_RADII = np.array(((0.11, 0.07, 0.05, 0.11), (0.11, 0.06, 0.05, 0.11)))
LAMP_GLOWS = np.array([False, False, False, True])


def lamps(place: Float[np.ndarray, "2 n"], arm: Float[np.ndarray, "n"], thin: float) -> Bodies:
    """Lamp posts at `place` (X, Z) with an arm to the left (`arm` −1) or the right (1)."""
    x = arm[:, None] * LAMP_X
    parts = _flat_strokes(place, x[:, :-1], LAMP_Y[:-1], x[:, 1:], LAMP_Y[1:], *(thin * LAMP_RADII))
    colours = np.broadcast_to([METAL, METAL, METAL, LAMP], (len(arm), 4, 3))
    return Bodies(POLE, parts, colours, place[1], glow=LAMP_GLOWS)


Colour = tuple[float, float, float]
Layer = tuple[tuple[tuple[float, float], ...], float, float, float, float, Colour]
OCTAGON = ((0.41, 1), (1, 0.41), (1, -0.41), (0.41, -1), (-0.41, -1), (-1, -0.41), (-1, 0.41), (-0.41, 1))
TRIANGLE = ((0, 1.0), (1.05, -0.8), (-1.05, -0.8))
SQUARE = ((1, 1), (1, -1), (-1, -1), (-1, 1))
RED, WHITE, BLUE, BLACK = (0.80, 0.12, 0.12), (0.95, 0.95, 0.93), (0.13, 0.32, 0.66), (0.10, 0.10, 0.11)
AMBER, GREEN, UNLIT = (0.98, 0.72, 0.15), (0.20, 0.85, 0.45), (0.28, 0.20, 0.16)
# Four layers each: shape, centre (x, y), half width, half height, colour. Warning, prohibition, parking, no entry,
# direction, traffic lights.
SIGNS: tuple[tuple[Layer, ...], ...] = (
    (
        (TRIANGLE, 0, 0, 1, 1, RED),
        (TRIANGLE, 0, -0.06, 0.66, 0.66, WHITE),
        (SQUARE, 0, 0.05, 0.1, 0.28, BLACK),
        (SQUARE, 0, -0.42, 0.1, 0.1, BLACK),
    ),
    (
        (OCTAGON, 0, 0, 0.95, 0.95, RED),
        (OCTAGON, 0, 0, 0.66, 0.66, WHITE),
        (SQUARE, -0.22, 0, 0.16, 0.32, BLACK),
        (SQUARE, 0.22, 0, 0.16, 0.32, BLACK),
    ),
    (
        (SQUARE, 0, 0, 0.9, 0.9, BLUE),
        (SQUARE, -0.2, 0, 0.14, 0.6, WHITE),
        (OCTAGON, 0.08, 0.24, 0.4, 0.36, WHITE),
        (OCTAGON, 0.08, 0.24, 0.16, 0.14, BLUE),
    ),
    (
        (OCTAGON, 0, 0, 1, 1, WHITE),
        (OCTAGON, 0, 0, 0.92, 0.92, RED),
        (SQUARE, -0.3, 0, 0.32, 0.18, WHITE),
        (SQUARE, 0.3, 0, 0.32, 0.18, WHITE),
    ),
    (
        (SQUARE, 0, 0, 1, 0.55, AMBER),
        (SQUARE, -0.15, 0, 0.55, 0.1, BLACK),
        (TRIANGLE, 0.5, 0.02, 0.3, 0.3, BLACK),
        (SQUARE, -0.15, 0, 0.55, 0.1, BLACK),
    ),
    (
        (SQUARE, 0, 0.2, 0.5, 1.3, BLACK),
        (OCTAGON, 0, 1.0, 0.3, 0.3, RED),
        (OCTAGON, 0, 0.2, 0.3, 0.3, UNLIT),
        (OCTAGON, 0, -0.6, 0.3, 0.3, UNLIT),
    ),
    (
        (SQUARE, 0, 0.2, 0.5, 1.3, BLACK),
        (OCTAGON, 0, 1.0, 0.3, 0.3, UNLIT),
        (OCTAGON, 0, 0.2, 0.3, 0.3, UNLIT),
        (OCTAGON, 0, -0.6, 0.3, 0.3, GREEN),
    ),
)
SIGN_OUTLINES = np.array(
    [
        [
            [(x + wide * cx, y + high * cy) for cx, cy in (*shape, *shape[-1:] * (CORNERS - len(shape)))]
            for shape, x, y, wide, high, _ in sign
        ]
        for sign in SIGNS
    ]
)
SIGN_COLOURS = np.array([[layer[-1] for layer in sign] for sign in SIGNS])
SIGN_GLOWS = np.array([[layer[-1] in (RED, GREEN) and sign[0][-1] == BLACK for layer in sign] for sign in SIGNS])


def signs(
    place: Float[np.ndarray, "2 n"], scale: float, thin: float, u: Float[np.ndarray, "3 n"]
) -> tuple[Bodies, Bodies]:
    """Posts at `place` (X, Z), which are poles, and the signs on them; `u` chooses size, height and sort."""
    (x, z), top, nought = place[..., None], between(u[1], 2.2, 2.9)[:, None], np.zeros((1, 1))
    posts = _flat_strokes(place, nought, nought, nought, top, nought + 0.045 * thin, nought + 0.045 * thin)
    plates = np.empty((3, CORNERS, len(top), 4))
    plates[:2] = pick(SIGN_OUTLINES, u[2]).transpose(3, 2, 0, 1) * (scale * between(u[0], 0.36, 0.5))[:, None]
    plates[0] += x
    plates[1] += top
    plates[2] = z - 0.1  # in front of the post
    grey = np.broadcast_to(GREY, (len(top), 1, 3))
    colours, glow = pick(SIGN_COLOURS, u[2]), pick(SIGN_GLOWS, u[2])
    return Bodies(POLE, posts, grey, place[1]), Bodies(SIGN, plates, colours, place[1] - 0.1, glow=glow, grain=0.02)
