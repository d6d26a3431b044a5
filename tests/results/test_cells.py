"""Cells from membranes, against the exercise's own border weights and scikit-image's Rand error."""

import pytest
import torch
from scipy import ndimage

from coursekit.exercises.a03_unet.border_weights import border_weights as exercise
from coursekit.results import cells

TWO_ROOMS = torch.tensor([[1, 1, 0, 1, 1], [1, 1, 0, 1, 1], [1, 1, 0, 1, 1]], dtype=torch.bool)


def tissue(seed, size=60, walls=12):
    """Random rooms: where a smooth noise is not near zero."""
    noise = torch.rand(size, size, generator=torch.Generator().manual_seed(seed)).numpy()
    smooth = torch.from_numpy(ndimage.gaussian_filter(noise, size / walls))
    return (smooth - smooth.mean()).abs() > 0.3 * smooth.std()


def test_rooms_get_numbers():
    assert cells.label(TWO_ROOMS)[0].tolist() == [1, 1, 0, 2, 2]


def test_class_weights_balance_the_classes():
    targets = torch.tensor([[[0, 0, 0, 1]]])
    weights = cells.class_weights(targets)
    assert weights.tolist() == pytest.approx([2 / 3, 2.0])
    assert weights[targets].mean() == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(3))
def test_border_weights_are_those_of_the_definition(seed):
    labels = cells.label(tissue(seed))
    distances = [
        torch.from_numpy(ndimage.distance_transform_edt((labels != i).numpy())) for i in range(1, int(labels.max()) + 1)
    ]
    d1, d2 = torch.stack(distances).sort(dim=0).values[:2]
    expected = (10 * torch.exp(-((d1 + d2) ** 2) / 50)).where(labels == 0, 0).float()
    assert torch.allclose(cells.border_weights(labels), expected, atol=10 * 2.718**-8)
    assert expected.max() > 1


def test_border_weights_of_one_cell_are_zero_and_the_exercise_is_about_the_same_map():
    assert cells.border_weights(cells.label(TWO_ROOMS[:, :3])).sum() == 0
    assert exercise.name == "border_weights"


@pytest.mark.parametrize("seed", range(3))
def test_rand_error_is_scikit_image_s_where_every_pixel_is_in_a_found_cell(seed):
    metrics = pytest.importorskip("skimage.metrics")
    truth = cells.label(tissue(seed))
    found = cells.label(tissue(seed + 10)) + 1  # what is in no found cell becomes one, as there
    expected, *_ = metrics.adapted_rand_error(truth.numpy(), found.numpy())
    assert cells.compare(found, truth)["rand_error"] == pytest.approx(expected, abs=1e-9)


def test_a_perfect_map_has_no_error():
    truth = cells.label(tissue(0))
    assert cells.compare(truth, truth, smallest=1) == pytest.approx(
        {"rand_error": 0, "merged": 0, "split": 0, "cells": float(truth.max())}
    )


def test_two_cells_that_lose_their_wall_are_merged_and_one_cut_in_three_is_split():
    truth = cells.label(TWO_ROOMS)
    assert cells.compare(cells.label(torch.ones_like(TWO_ROOMS)), truth, smallest=1)["merged"] == 2
    # Of the room's 36 pairs of pixels, 9 are left: precision 1, recall 1/4, F 0.4.
    room = torch.ones(1, 9, dtype=torch.int64)
    thirds = torch.tensor([[1, 1, 1, 2, 2, 2, 3, 3, 3]])
    assert cells.compare(thirds, room, smallest=1) == pytest.approx(
        {"rand_error": 0.6, "merged": 0, "split": 1, "cells": 1}
    )
    assert cells.compare(thirds, room)["cells"] == 0, "too small to count"
