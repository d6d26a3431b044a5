"""The overlap-tile figure shows what `predict_tiled` reads."""

import numpy as np
import pytest
import torch

from coursekit import ops
from coursekit.figures import OverlapTile

IMAGE, ANSWER, CONTEXT = torch.rand(1, 30, 41), torch.randint(3, (30, 41)), 6


@pytest.fixture(scope="module")
def figure():
    return OverlapTile(IMAGE, ANSWER, CONTEXT, tiles=(16, 10))


def test_each_tile_reads_the_pixels_that_predict_tiled_hands_to_the_network(figure):
    tile = figure.tile
    read = []
    ops.predict_tiled(lambda x: read.append(x[0, 0]) or x, IMAGE, tile, CONTEXT)
    side = 30 + 2 * CONTEXT + figure.beyond, 41 + 2 * CONTEXT + figure.beyond
    mirrored = np.frombuffer(figure.pixels, dtype=np.uint8).reshape(*side, 4)[..., 0]
    across = -(-41 // tile)
    assert len(read) == across * -(-30 // tile)
    for position, expected in enumerate(read):
        top, left = position // across * tile, position % across * tile
        shown = mirrored[top : top + tile + 2 * CONTEXT, left : left + tile + 2 * CONTEXT]
        assert np.array_equal(shown, (255 * expected).round().byte().numpy())


def test_it_begins_with_a_tile_of_the_menu(figure):
    assert figure.tiles == [10, 16]
    assert figure.tile in figure.tiles
    assert figure.position == 0


def test_an_answer_of_another_size_is_refused():
    with pytest.raises(ValueError, match="one for each pixel"):
        OverlapTile(IMAGE, ANSWER[1:], CONTEXT)


def test_the_picture_says_what_is_read(figure):
    side = figure.tile + 2 * CONTEXT
    assert f"reads {side} × {side}" in figure.picture().alt
