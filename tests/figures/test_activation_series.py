"""The series shows every map at its own resolution, and counts its zeros."""

import numpy as np
import pytest
import torch

from coursekit.figures import ActivationSeries

IMAGE = torch.rand(3, 12, 16)
MAPS = {"unpooled": torch.tensor([[0.0, 0.0], [0.0, 2.0]]), "flat": torch.ones(3, 4), "dense": torch.rand(6, 8) + 1}


@pytest.fixture(scope="module")
def series():
    return ActivationSeries(IMAGE, MAPS)


def test_every_map_keeps_its_size_and_its_zeros(series):
    assert [step["title"] for step in series.steps] == list(MAPS)
    assert [step["size"] for step in series.steps] == [[2, 2], [3, 4], [6, 8]]
    assert [step["zeros"] for step in series.steps] == [0.75, 0.0, 0.0]


def test_light_is_large_and_dark_is_small(series):
    pixels = np.frombuffer(series.frames[0], dtype=np.uint8).reshape(2, 2, 4).astype(int)
    brightness = pixels[..., :3].sum(-1)
    assert brightness[1, 1] > brightness[0, 0] == brightness[0, 1] == brightness[1, 0]


def test_a_flat_map_is_drawn_too(series):
    pixels = np.frombuffer(series.frames[1], dtype=np.uint8).reshape(3, 4, 4)
    assert (pixels == pixels[0, 0]).all()


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match="no map to show"):
        ActivationSeries(IMAGE, {})


def test_the_picture_tells_the_zeros(series):
    assert "unpooled 75%; flat 0%" in series.picture().alt
