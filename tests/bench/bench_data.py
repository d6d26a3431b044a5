"""Data: a scene against a real picture of its size, and a set in memory against the set on disk.

Scenes and pictures are counted one by one in one process: 1000 divided by the milliseconds is how many a second a core
makes. The goal for scenes is 300 a second at 128².
"""

import time
from itertools import cycle

import pytest

from coursekit.data import Cached, CamVid, MissingSetError, StreetScenes
from coursekit.data.transforms import eval_recipe, train_recipe

COUNT = 20


@pytest.fixture(scope="module")
def camvid():
    def of(size, **options):
        try:
            return CamVid(transforms=eval_recipe(size), **options)
        except MissingSetError as error:
            pytest.skip(str(error))

    return of


def one_of(data):
    """A function that reads the next of the first samples."""
    numbers = cycle(range(COUNT))
    return lambda: data[next(numbers)]


@pytest.mark.parametrize(
    ("task", "side"),
    [
        *(("semantic", side) for side in (64, 128, 256)),
        *((task, 128) for task in ("instance", "panoptic", "keypoints")),
    ],
)
def test_a_scene(versus, camvid, task, side):
    scenes, pictures = one_of(StreetScenes(COUNT, side, task)), one_of(camvid((side, side)))
    name = f"a street scene, {task}"
    versus(name, f"{side}²", scenes, pictures, "reading CamVid's picture", clock=time.process_time)


SIZES = [(48, 64), (96, 128), (192, 256)]


@pytest.mark.parametrize("size", SIZES)
def test_a_set_in_memory(versus, camvid, size):
    pictures, name = camvid(size), f"{size[0]} × {size[1]}"
    ours, peer = one_of(Cached(pictures)), one_of(pictures)
    versus("CamVid, cached", name, ours, peer, "CamVid", clock=time.process_time)


@pytest.mark.parametrize("size", SIZES)
def test_augmentation_of_a_set_in_memory(versus, camvid, size):
    recipe, name = train_recipe(size), f"{size[0]} × {size[1]}"
    ours, peer = one_of(Cached(camvid(size), recipe)), one_of(Cached(camvid((360, 480)), recipe))
    versus("CamVid, cached, augmented", name, ours, peer, "the same from whole pictures", clock=time.process_time)
