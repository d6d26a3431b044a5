"""Weather and light: from the map of paints to the photo."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from .canvas import Canvas, Paints
from .classes import PAVEMENT, ROAD
from .draws import Draws, between
from .geometry import Camera, capsules, fill

__all__ = ["WEATHER", "Weather", "cast_shadows", "photograph"]

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Weather:
    """The sky overhead and at the horizon, the light on everything, and what the air does to it.

    `sun` is how much darker a shadow is, `sight` the distance in metres at which half is lost in haze, `lit` the
    share of windows with a light on, `clouds` how thick they are, `lamps` how bright the street lamps shine.
    """

    zenith: Colour
    horizon: Colour
    light: Colour
    sun: float
    sight: float
    lit: float
    clouds: float
    lamps: float = 0.0
    rain: bool = False


WEATHER = {
    "clear": Weather((0.30, 0.52, 0.84), (0.76, 0.86, 0.94), (1.05, 1.02, 0.96), 0.42, 260, 0.02, 0.6),
    "overcast": Weather((0.62, 0.66, 0.71), (0.82, 0.84, 0.85), (0.86, 0.88, 0.90), 0.20, 180, 0.08, 0.35),
    "rain": Weather((0.42, 0.46, 0.51), (0.62, 0.66, 0.68), (0.66, 0.69, 0.73), 0.18, 75, 0.25, 0.25, rain=True),
    "fog": Weather((0.74, 0.76, 0.78), (0.80, 0.81, 0.82), (0.80, 0.81, 0.83), 0.15, 26, 0.12, 0.0),
    "dusk": Weather((0.28, 0.30, 0.50), (0.96, 0.66, 0.45), (0.80, 0.62, 0.56), 0.30, 150, 0.35, 0.45, lamps=0.4),
    "night": Weather((0.04, 0.05, 0.13), (0.16, 0.17, 0.27), (0.36, 0.38, 0.52), 0.25, 120, 0.45, 0.12, lamps=0.8),
}


def cast_shadows(
    canvas: Canvas,
    camera: Camera,
    *shadows: tuple[
        Float[np.ndarray, "2 n"], float | Float[np.ndarray, "2 _"], float | Float[np.ndarray, "2 _"], float
    ],
) -> None:
    """Darken the ground under strokes: where bodies are (X, Z), where each begins and ends from there, its radius."""
    start = np.concatenate([place + begin for place, begin, _, _ in shadows], axis=1)
    end = np.concatenate([place + stop for place, _, stop, _ in shadows], axis=1)
    radius = np.repeat([s[3] for s in shadows], [s[0].shape[1] for s in shadows])
    x, z = capsules(start, end, np.array([radius, radius]))
    seen, _ = camera.project(np.array([x, 0 * x, np.maximum(z, 1.0)]))
    fill(canvas.shadow, seen, np.ones(len(radius), dtype=np.uint8))


def photograph(
    canvas: Canvas,
    paints: Paints,
    weather: Weather,
    camera: Camera,
    lamps: Float[np.ndarray, "3 n"],
    noise: float,
    draws: Draws,
) -> Float[np.ndarray, "3 h w"]:
    """The picture, float32 in [0, 1]; `lamps` (X, Y, Z) shine, and the sensor's deviation is `noise`."""
    paint, (height, width) = canvas.paint, canvas.paint.shape
    light = np.where(paints.glow, 1, _column(weather.light)[:, :, 0])
    image = np.array([channel.take(paint) for channel in paints.colour * light])

    rough = _rough(draws, height, width)
    octets = draws.octets(5, height, width)
    fine = octets[4] * np.float32(1 / 128) - 1
    gain = 1 + paints.grain.take(paint) * (np.float32(0.6) * fine + np.float32(0.35) * rough)
    ground = (paints.segment == ROAD + 1) | (paints.segment == PAVEMENT + 1)
    gain *= 1 - np.float32(weather.sun) * (canvas.shadow & ground.take(paint))

    near = paints.depth.take(paint)
    haze = np.where(near > 0, near, canvas.depth) * np.float32(1 / weather.sight)
    clear = 1 / (1 + haze * haze)
    image *= gain * clear
    image += _column(weather.horizon) * (1 - clear)

    top = min(int(camera.horizon) + 1, height)
    np.copyto(image[:, :top], _sky(weather, camera, rough[:top]), where=paint[:top] == 0)
    if weather.lamps:
        _shine(image, weather.lamps, camera, lamps)
    if weather.rain:
        _rain(image, octets[4])

    # A lens that is not quite sharp: every pixel takes a tenth of each of its four neighbours.
    around = image[:, :-2, 1:-1] + image[:, 2:, 1:-1]
    around += image[:, 1:-1, :-2]
    around += image[:, 1:-1, 2:]
    inner = image[:, 1:-1, 1:-1]
    inner *= np.float32(0.6)
    inner += around * np.float32(0.1)
    # The sum of two bytes is spread like a triangle, which is near enough to a bell; its deviation is 104.5.
    image += (octets[:3].astype(np.int16) + octets[1:4] - 255) * np.float32(noise / 104.5)
    return np.clip(image, 0, 1, out=image)


def _column(colour: Colour) -> Float[np.ndarray, "3 1 1"]:
    return np.array(colour, dtype=np.float32)[:, None, None]


def _rough(draws: Draws, height: int, width: int) -> Float[np.ndarray, "h w"]:
    """A random field about 0: fine knots on coarse ones, 24 to the shorter side, with straight lines between them."""
    step = min(height, width) / 24
    rows, columns = int(height / step) + 2, int(width / step) + 2
    coarse = between(draws.uniform(rows // 3 + 2, columns // 3 + 2), -1.0, 1.0)
    coarse = np.repeat(np.repeat(coarse, 3, axis=0), 3, axis=1)
    coarse = (coarse[:-2] + coarse[1:-1] + coarse[2:]) / 3  # the mean of three turns steps of three into slopes
    coarse = (coarse[:, :-2] + coarse[:, 1:-1] + coarse[:, 2:]) / 3
    knots = (coarse[:rows, :columns] + between(draws.uniform(rows, columns), -0.5, 0.5)).astype(np.float32)
    (y, dy), (x, dx) = _knots(height, step), _knots(width, step)
    lines = knots[:, x] + (knots[:, x + 1] - knots[:, x]) * dx
    return lines[y] + (lines[1:] - lines[:-1])[y] * dy[:, None]


def _knots(count: int, step: float) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """The knot before each of `count` pixels, and how far behind it the pixel is."""
    position = np.arange(count) / step
    knot = position.astype(np.int64)
    return knot, (position - knot).astype(np.float32)


def _sky(weather: Weather, camera: Camera, rough: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "3 h w"]:
    """From the horizon's colour to the zenith's, with clouds, in the rows above the horizon."""
    up = 1 - (np.arange(len(rough)) + 0.5) / camera.horizon
    horizon = _column(weather.horizon)
    sky = horizon + (_column(weather.zenith) - horizon) * np.minimum(up * 1.3, 1).astype(np.float32)[:, None]
    cloud = np.maximum(rough - np.float32(0.1), 0) * np.float32(weather.clouds)
    return sky + (np.float32(0.55) * _column(weather.light) + np.float32(0.45) * horizon - sky) * cloud


def _shine(image: Float[np.ndarray, "3 h w"], strength: float, camera: Camera, lamps: Float[np.ndarray, "3 n"]) -> None:
    """The glare round each lamp, and the pools of light under them."""
    glare, pool = np.zeros((2, *image.shape[1:]), dtype=np.float32)
    seen, scales = camera.project(lamps)
    feet, _ = camera.project(lamps * np.array((1.0, 0.0, 1.0))[:, None])
    for (x, y), foot, scale in zip(seen.T.tolist(), feet[1].tolist(), scales.tolist(), strict=True):
        for layer, row, wide, high in ((glare, y, 6.0, 6.0), (pool, foot, 9.0, 2.2)):  # metres they reach
            rows = slice(max(int(row - high * scale), 0), max(int(row + high * scale), 0))
            columns = slice(max(int(x - wide * scale), 0), max(int(x + wide * scale), 0))
            dy = (np.arange(len(layer))[rows] + 0.5 - row) / (high * scale)
            dx = (np.arange(layer.shape[1])[columns] + 0.5 - x) / (wide * scale)
            patch = layer[rows, columns]
            np.maximum(patch, (1 - (dy * dy)[:, None] - dx * dx).astype(np.float32), out=patch)
    warm = np.float32(strength) * _column((0.95, 0.80, 0.50))
    for _ in range(3):
        glare *= glare  # to the eighth power: a bright core in a wide halo
    image *= 1 + 2 * warm * pool
    image += warm * glare


def _rain(image: Float[np.ndarray, "3 h w"], octets: UInt8[np.ndarray, "h w"]) -> None:
    """Brighten slanted streaks that begin at one pixel in a hundred."""
    drops = octets < 3
    streaks = drops.copy()
    for down in range(1, 6):
        left = (down + 1) // 2
        streaks[down:, :-left] |= drops[:-down, left:]
    image += streaks * (np.float32(0.8) - image) * np.float32(0.25)
