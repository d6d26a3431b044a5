"""How street scenes are made.

`classes` are the classes; `draws` gives random numbers; `geometry` has the camera and fills outlines; `canvas` is
what is painted on. `fronts` are the houses and fences along the street, `street` lays and paints it; `layout` says who
is in it and `fixtures`, `cars` and `people` what they look like; `light` takes the photo. `scene` puts it together and
`labels` reads the targets from it.
"""

from . import labels
from .classes import CLASSES, THINGS
from .light import WEATHER
from .people import KEYPOINTS
from .scene import Knobs, Scene, compose

__all__ = ["CLASSES", "KEYPOINTS", "THINGS", "WEATHER", "Knobs", "Scene", "compose", "labels"]
