"""Colours of classes, apart from each other for colour-blind readers too.

Neighbouring hues differ in lightness as well, so that two colours that turn into one hue, for a reader who does not
see red and green apart, are still a light and a dark one. The test measures that.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

# By CamVid's class ids; the first colours also serve sets with fewer classes.
COLOURS: tuple[str, ...] = (
    "#b8e0ff",  # sky
    "#692554",  # building
    "#ffea1e",  # pole
    "#5f655f",  # road
    "#b793ce",  # pavement
    "#11782f",  # tree
    "#e49638",  # sign
    "#b9c7aa",  # fence
    "#1425cf",  # car
    "#f50e7b",  # pedestrian
    "#0f9e8f",  # bicyclist
    "#6b4f1d",
    "#b6f542",
    "#7a5cff",
    "#3b0f2b",
    "#f5b7a1",
)
VOID = "#ffffff"


def rgb(colour: str) -> Float[ndarray, "3"]:
    """A colour such as "#1425cf" as three numbers from 0 to 1."""
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def colourise(labels: Int[Tensor, "h w"] | Int[ndarray, "h w"], void: int = 255) -> Float[ndarray, "h w 3"]:
    """A map of class ids as a colour picture; ids beyond the list begin again, void is white."""
    ids = np.asarray(labels)
    colours = np.stack([rgb(colour) for colour in COLOURS])
    picture: Float[ndarray, "h w 3"] = colours[ids % len(COLOURS)]
    picture[ids == void] = rgb(VOID)
    return picture
