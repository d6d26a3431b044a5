"""One scene, painted once, with all that the four kinds of labels need."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import maximum_filter, minimum_filter

from .canvas import Canvas
from .cars import CAR_DRAWS, cars
from .classes import IS_THING
from .draws import Draws, between
from .fixtures import LAMP_HEIGHT, SEASONS, SIGN_DRAWS, TREE_DRAWS, lamps, signs, trees
from .geometry import GRID
from .layout import (
    GARDEN_TREES,
    place_cars,
    place_cyclists,
    place_lamps,
    place_pedestrians,
    place_signs,
    place_trees,
)
from .light import WEATHER, cast_shadows, photograph
from .people import CYCLIST_DRAWS, PEDESTRIAN_DRAWS, cyclists, pedestrians
from .street import lay_street, look_aside, paint_backs, paint_fronts, paint_ground

__all__ = ["Knobs", "Scene", "compose"]


@dataclass(frozen=True)
class Knobs:
    """How difficult scenes are; `StreetScenes` says what each means."""

    noise: float
    imbalance: float
    thin: float
    void_border: int
    object_size: float
    min_area: int
    weather: str | None


@dataclass(frozen=True)
class Scene:
    """A photo and what is in it.

    `segments` (H, W) holds the numbers of segments, `labels[segment]` their classes; segment 0 is void. `paint`
    holds the numbers of paints, `colours[:, paint]` what they look like in plain daylight. Person i is segment
    `people[i]`; of keypoint j, seen at `keypoints[:, i, j]`, `uncovered[i, j]` says whether nothing hides it.
    """

    image: Float[np.ndarray, "3 h w"]
    paint: Int[np.ndarray, "h w"]
    colours: Float[np.ndarray, "3 p"]
    segments: Int[np.ndarray, "h w"]
    labels: Int[np.ndarray, "s"]
    people: Int[np.ndarray, "k"]
    keypoints: Float[np.ndarray, "2 k 17"]
    uncovered: Bool[np.ndarray, "k 17"]


def compose(seed: int, index: int, size: tuple[int, int], knobs: Knobs) -> Scene:
    """Scene number `index` of those with `seed`, `size` = (height, width) in pixels."""
    draws = Draws(seed, index)
    u = draws.uniform(4).tolist()
    weather = WEATHER[knobs.weather or list(WEATHER)[int(u[0] * len(WEATHER))]]
    season = int(u[1] * len(SEASONS))
    # Where the shadow of something one metre tall ends; without sun it stays at the foot.
    sun = np.array(((between(u[2], -1.4, 1.4),), (between(u[3], -0.2, 0.8),))) * (weather.sun > 0.25)
    street = lay_street(draws, size)
    camera, canvas = street.camera, Canvas(*size)

    paint_ground(canvas, street, float(sun[0, 0]))
    view = look_aside(street, size[1])
    paint_backs(canvas, street, view, weather.lit, knobs.thin)
    share, scale = 1 - knobs.imbalance, knobs.object_size
    tree = place_trees(draws, street, TREE_DRAWS)
    lamp = place_lamps(draws, street, share)
    sign = place_signs(draws, street, SIGN_DRAWS, share)
    car = place_cars(draws, street, CAR_DRAWS, scale)
    walker = place_pedestrians(draws, street, PEDESTRIAN_DRAWS, share)
    rider = place_cyclists(draws, street, CYCLIST_DRAWS, share)
    # Each shadow: whose it is, from where to where it reaches as seen from there, and half its width.
    kerb_trees = tree.place[:, GARDEN_TREES:]
    along, bicycle = car.heading * 1.2 * scale, rider.heading * 0.6 * scale
    cast_shadows(
        canvas,
        camera,
        (car.place, -along, along, 0.95 * scale),
        (car.place, sun * 0.7 * scale - along, sun * 0.7 * scale + along, 0.95 * scale),
        (walker.place, 0.0, sun * 1.6 * scale, 0.22 * scale),
        (rider.place, -bicycle, bicycle, 0.12 * scale),
        (rider.place, 0.0, sun * 1.6 * scale, 0.22 * scale),
        (lamp.place, 0.0, sun * LAMP_HEIGHT, 0.08),
        (sign.place, 0.0, sun * 2.5, 0.08),
        (kerb_trees, 0.0, sun * 3.0, 0.12),
        (kerb_trees, sun * 2.6, sun * 5.5, 1.5),
    )

    people = pedestrians(walker.place, walker.heading, scale, walker.looks)
    posts, plates = signs(sign.place, scale, knobs.thin, sign.looks)
    drawn = [
        trees(tree.place, season, GARDEN_TREES, tree.looks),
        people.bodies,
        cyclists(rider.place, rider.heading, scale, rider.looks),
        lamps(lamp.place, lamp.heading[0], knobs.thin),
        posts,
    ]
    first_tree, first, *_ = canvas.add(camera, drawn, [plates, cars(car.place, car.heading, scale, car.looks)])
    behind = first_tree[0] + GARDEN_TREES * drawn[0].parts.shape[2]
    paint_fronts(canvas, street, view, weather.lit, knobs.thin, float(sun[0, 0]), behind)

    paints, labels = canvas.paints(), np.array(canvas.labels)
    x, z = lamp.place + 1.45 * lamp.heading
    lights = np.array([x, 0 * x + LAMP_HEIGHT, z])
    image = photograph(canvas, paints, weather, camera, lights, knobs.noise, draws)
    segments = _segments(paints.segment.take(canvas.paint), labels, knobs)
    numbers, (keypoints, _) = paints.segment[first], camera.project(people.keypoints)
    keypoints = np.floor(keypoints * GRID) / GRID  # so that they are the same in float32
    return Scene(
        image=image,
        paint=canvas.paint,
        colours=paints.colour,
        segments=segments,
        labels=labels,
        people=numbers,
        keypoints=keypoints,
        uncovered=_uncovered(canvas.paint, segments, first, numbers, keypoints, people.shows),
    )


def _segments(segments: Int[np.ndarray, "h w"], labels: Int[np.ndarray, "s"], knobs: Knobs) -> Int[np.ndarray, "h w"]:
    """The segments with a void border between them, and without things of which too little is seen to tell."""
    if knobs.void_border:
        steps = np.abs(np.arange(-knobs.void_border, knobs.void_border + 1))
        near = steps[:, None] + steps <= knobs.void_border
        lowest, highest = (of(segments, footprint=near, mode="nearest") for of in (minimum_filter, maximum_filter))
        segments = np.where(lowest == highest, segments, 0)
    area = np.bincount(segments.reshape(-1), minlength=len(labels))
    small = (area < knobs.min_area) & IS_THING[labels]
    return np.where(small, 0, np.arange(len(labels))).take(segments)


def _uncovered(
    paint: Int[np.ndarray, "h w"],
    segments: Int[np.ndarray, "h w"],
    first: Int[np.ndarray, "k"],
    people: Int[np.ndarray, "k"],
    keypoints: Float[np.ndarray, "2 k 17"],
    shows: Bool[np.ndarray, "k p 17"],
) -> Bool[np.ndarray, "k 17"]:
    """Whether the pixel under each keypoint belongs to its person, and to a part of the body that shows it."""
    height, width = paint.shape
    x, y = np.floor(keypoints).astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = np.where(inside, x, 0), np.where(inside, y, 0)
    part = np.clip(paint[y, x] - first[:, None], 0, shows.shape[1] - 1)
    shown = shows[np.arange(len(first))[:, None], part, np.arange(x.shape[1])]
    return inside & (segments[y, x] == people[:, None]) & shown
