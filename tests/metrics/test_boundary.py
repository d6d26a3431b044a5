"""Boundary F1 and Hausdorff distance, against the worked example, MONAI, scikit-image and brute force."""

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial.distance import directed_hausdorff
from skimage.metrics import hausdorff_distance as skimage_hausdorff

from coursekit.metrics import boundary_f1, hausdorff_distance

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:.*nan/inf:UserWarning")  # MONAI's

A = torch.zeros(7, 7, dtype=torch.bool)
A[1:4, 1:4] = True
B = torch.zeros(7, 7, dtype=torch.bool)
B[1:4, 1:6] = True
EMPTY = torch.zeros(7, 7, dtype=torch.bool)


def blob(seed, shape=(31, 44)):
    noise = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(gaussian_filter(noise, 3) > 0.02)


def edge_points(mask):
    """(P, 2) coordinates of the mask's own boundary pixels."""
    return np.argwhere(mask.numpy() & ~binary_erosion(mask.numpy())).astype(float)


def nearest(points, others):
    return np.linalg.norm(points[:, None] - others, axis=-1).min(1)


def batch(mask):
    return mask[None, None].float()


@pytest.mark.parametrize(("tolerance", "expected"), [(0, 0.7), (1, 6 / 7), (2, 1.0)])
def test_worked_example_boundary_f1(tolerance, expected):
    assert boundary_f1(A, B, tolerance=tolerance) == pytest.approx(expected)


@pytest.mark.parametrize("percentile", [100, 95])
def test_worked_example_hausdorff_distance_is_two(percentile):
    assert hausdorff_distance(A, B, percentile=percentile) == 2
    assert hausdorff_distance(B, A, percentile=percentile) == 2


def test_scipy_on_raw_masks_takes_rows_for_points():
    """A common slip: `directed_hausdorff(mask, mask)` compares rows of the image, not pixels."""
    wrong = max(directed_hausdorff(A, B)[0], directed_hausdorff(B, A)[0])
    assert wrong == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("percentile", [50, 95, 100])
def test_hausdorff_equals_monai(seed, percentile):
    a, b = blob(seed), blob(seed + 10)
    expected = compute_hausdorff_distance(batch(a), batch(b), include_background=True, percentile=percentile)
    assert hausdorff_distance(a, b, percentile) == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_hausdorff_equals_scikit_image_on_the_boundaries(seed):
    a, b = blob(seed), blob(seed + 10)
    edges = [m.numpy() & ~binary_erosion(m.numpy()) for m in (a, b)]
    assert hausdorff_distance(a, b) == pytest.approx(skimage_hausdorff(*edges))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 3])
def test_boundary_f1_equals_brute_force(seed, tolerance):
    a, b = blob(seed), blob(seed + 10)
    precision = (nearest(edge_points(a), edge_points(b)) <= tolerance).mean()
    recall = (nearest(edge_points(b), edge_points(a)) <= tolerance).mean()
    expected = 2 * precision * recall / (precision + recall)
    assert boundary_f1(a, b, tolerance=tolerance) == pytest.approx(expected)


def test_surface_dice_is_another_number_unless_the_tolerance_is_zero():
    surface = [compute_surface_dice(batch(A), batch(B), [t], include_background=True).item() for t in (0, 1)]
    assert surface == pytest.approx([0.7, 0.85])
    assert boundary_f1(A, B, tolerance=0) == pytest.approx(surface[0])
    assert boundary_f1(A, B, tolerance=1) != pytest.approx(surface[1])


def test_one_side_empty():
    assert hausdorff_distance(A, EMPTY) == hausdorff_distance(EMPTY, A, percentile=95) == math.inf
    assert boundary_f1(A, EMPTY, tolerance=3) == boundary_f1(EMPTY, A, tolerance=3) == 0


def test_both_sides_empty_agree_where_monai_says_nan():
    assert hausdorff_distance(EMPTY, EMPTY) == 0
    assert boundary_f1(EMPTY, EMPTY, tolerance=0) == 1
    monai = compute_hausdorff_distance(batch(EMPTY), batch(EMPTY), include_background=True)
    assert math.isnan(monai.item())


def test_a_full_mask_has_the_images_border_for_its_boundary():
    full = ~EMPTY
    assert hausdorff_distance(full, full) == 0
    ring = full.clone()
    ring[1:-1, 1:-1] = False
    assert hausdorff_distance(full, ring) == 0
    assert boundary_f1(full, ring, tolerance=0) == 1


def test_integer_and_float_masks_are_foreground_where_not_zero():
    assert hausdorff_distance(A.long() * 7, B.float()) == 2


@pytest.mark.parametrize("seed", range(3))
def test_symmetric_under_exchange_and_reflection(seed):
    a, b = blob(seed), blob(seed + 10)
    assert hausdorff_distance(a, b) == hausdorff_distance(b, a) == hausdorff_distance(a.T, b.T)
    assert boundary_f1(a, b, 1) == pytest.approx(boundary_f1(b.flip(1), a.flip(1), 1))


@pytest.mark.parametrize("percentile", [-1, 101])
def test_percentile_out_of_range(percentile):
    with pytest.raises(ValueError, match="percentile"):
        hausdorff_distance(A, B, percentile=percentile)


def test_masks_of_two_sizes():
    with pytest.raises(ValueError, match="shape"):
        boundary_f1(A, B[:5], tolerance=1)
