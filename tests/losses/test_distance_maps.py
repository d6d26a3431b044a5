"""Distance maps: exact, cheap to have again, and never another picture's."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from coursekit import losses
from coursekit.losses import DistanceMaps, boundary, distance_maps, signed_distance


def by_all_pairs(mask: Tensor) -> Tensor:
    """The signed distance from the distances of all pairs of pixels."""
    points = np.argwhere(np.ones(mask.shape))
    pairs, inside = cdist(points, points), mask.numpy().ravel()
    outer, inner = pairs[:, inside].min(1), pairs[:, ~inside].min(1)
    return torch.from_numpy(np.where(inside, 1 - inner, outer)).view(mask.shape).float()


@pytest.mark.parametrize("seed", range(5))
def test_signed_distance_is_exact(seed: int) -> None:
    share = [0.02, 0.1, 0.5, 0.9, 0.98][seed]
    mask = torch.rand(13, 8, generator=torch.Generator().manual_seed(seed)) < share
    mask[3, 4], mask[5, 5] = True, False
    torch.testing.assert_close(signed_distance(mask), by_all_pairs(mask))


def test_signed_distance_of_a_row() -> None:
    row = torch.tensor([[0, 0, 1, 1, 1, 0]], dtype=torch.bool)
    assert signed_distance(row).tolist() == [[2, 1, 0, -1, 0, 1]]


def test_signed_distance_is_not_cut_to_whole_pixels() -> None:
    mask = torch.zeros(3, 3, dtype=torch.bool)
    mask[0, 0] = True
    assert signed_distance(mask)[1, 1].item() == pytest.approx(2**0.5)


@pytest.mark.parametrize("value", [0, 1], ids=["empty", "full"])
def test_without_a_boundary_the_distance_is_zero(value: int) -> None:
    mask = torch.full((4, 5), bool(value))
    assert torch.equal(signed_distance(mask), torch.zeros(4, 5))


def test_signed_distance_takes_batches_and_leaves_the_mask_alone() -> None:
    masks = torch.rand(2, 3, 7, 5, generator=torch.Generator().manual_seed(0)) < 0.4
    before = masks.clone()
    batch = signed_distance(masks)
    assert batch.shape == masks.shape
    assert batch.dtype == torch.float32
    assert torch.equal(masks, before)
    for n in range(2):
        for c in range(3):
            assert torch.equal(batch[n, c], signed_distance(masks[n, c]))
    assert torch.equal(signed_distance(masks.transpose(2, 3)), signed_distance(masks.transpose(2, 3).contiguous()))


@pytest.fixture
def target() -> Tensor:
    labels = torch.randint(0, 3, (4, 5), generator=torch.Generator().manual_seed(3))
    labels[0, :2] = 255
    return labels.repeat_interleave(3, 0).repeat_interleave(2, 1)


def test_distance_maps_are_the_signed_distances_of_the_classes(target: Tensor) -> None:
    maps = distance_maps(target, 4)
    assert maps.shape == (4, *target.shape)
    for k in range(3):
        assert torch.equal(maps[k], signed_distance(target == k))
    assert (maps[3] == 0).all()  # absent
    assert (maps[:3, target == 255] > 0).all()  # an ignored pixel is outside every class
    assert torch.equal(distance_maps(target.masked_fill(target == 255, 1), 3, ignore_index=1)[1], torch.zeros(12, 10))


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often maps have been computed."""
    calls: list[int] = []

    def counted(*args: object) -> Tensor:
        calls.append(1)
        return distance_maps(*args)

    monkeypatch.setattr(boundary, "distance_maps", counted)
    return calls


@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "folder"])
def test_maps_are_computed_once_for_a_label_map(
    target: Tensor, count: list[int], on_disk: bool, tmp_path: Path
) -> None:
    transform = DistanceMaps(3, folder=tmp_path / "maps" if on_disk else None)
    image = torch.rand(3, 12, 10)
    for _ in range(3):
        same_image, (same_target, maps) = transform(image, target.clone())
        assert same_image is image
        assert torch.equal(same_target, target)
        assert torch.equal(maps, distance_maps(target, 3))
    assert len(count) == 1
    flipped = transform(image, target.flip(1))[1][1]
    assert torch.equal(flipped, distance_maps(target.flip(1), 3))
    assert len(count) == 2
    turned = transform(image, target.reshape(10, 12))[1][1]  # the same bytes in another shape
    assert turned.shape == (3, 10, 12)
    assert len(count) == 3


def test_a_folder_serves_later_runs_and_other_numbers_of_classes_stay_apart(
    target: Tensor, count: list[int], tmp_path: Path
) -> None:
    DistanceMaps(3, folder=tmp_path).of(target)
    again = DistanceMaps(3, folder=str(tmp_path))
    assert torch.equal(again.of(target), distance_maps(target, 3))
    assert len(count) == 1
    assert DistanceMaps(4, folder=tmp_path).of(target).shape[0] == 4
    assert len(count) == 2
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy"}  # nothing half written is left


def test_in_a_pipeline_of_transforms_and_a_loader(target: Tensor) -> None:
    transforms = v2.Compose([v2.RandomHorizontalFlip(p=1.0), DistanceMaps(3)])
    samples = [
        transforms(tv_tensors.Image(torch.rand(3, 12, 10)), tv_tensors.Mask(t)) for t in (target, 2 - target % 3)
    ]
    images, (targets, distances) = next(iter(DataLoader(samples, batch_size=2)))
    assert images.shape == (2, 3, 12, 10)
    assert torch.equal(targets[0], target.flip(1))
    assert distances.shape == (2, 3, 12, 10)
    assert torch.equal(distances[0], distance_maps(target, 3).flip(2))


@pytest.mark.parametrize("make", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copied", "pickled"])
def test_the_transform_travels_to_workers(target: Tensor, make, tmp_path: Path) -> None:
    maps = make(DistanceMaps(3, folder=tmp_path))
    assert torch.equal(maps.of(target), distance_maps(target, 3))
    assert repr(maps) == f"DistanceMaps(3 classes, ignoring 255, in {tmp_path})"


@pytest.mark.parametrize(
    "loss",
    [losses.boundary_loss, losses.hausdorff_loss, losses.distance_penalized_cross_entropy],
    ids=lambda f: f.__name__,
)
def test_losses_take_the_maps_and_then_compute_none(target: Tensor, loss, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(2, 4, 12, 10, generator=torch.Generator().manual_seed(0))
    batch = torch.stack([target, torch.ones_like(target)])  # the second: one class everywhere
    maps = DistanceMaps(4)
    distances = torch.stack([maps.of(t) for t in batch])
    expected = loss(logits, batch)
    if loss is not losses.hausdorff_loss:  # whose prediction needs a map of its own
        monkeypatch.setattr(boundary, "signed_distance", None)
    torch.testing.assert_close(loss(logits, batch, distances=distances), expected)


# Distance-penalised cross-entropy


def test_penalty_falls_from_1_at_the_edge_to_0_at_the_heart() -> None:
    logits = torch.zeros(1, 2, 7, 9)
    target = torch.zeros(1, 7, 9, dtype=torch.int64)
    target[0, 1:6, 1:6] = 1
    pixels = losses.distance_penalized_cross_entropy(logits, target, reduction="none")[0] / torch.tensor(2.0).log()
    assert pixels[1, 1].item() == pytest.approx(2)  # the object's corner
    assert pixels[2, 2].item() == pytest.approx(1.5)
    assert pixels[3, 3].item() == pytest.approx(1)  # its centre


def test_a_region_one_pixel_thin_is_all_edge() -> None:
    stripes = torch.arange(6).remainder(2).expand(1, 4, 6)
    logits = torch.randn(1, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    penalized = losses.distance_penalized_cross_entropy(logits, stripes)
    torch.testing.assert_close(penalized, 2 * losses.cross_entropy(logits, stripes))


def test_ignored_pixels_far_from_a_thin_region_stay_finite() -> None:
    """Class 0 is one pixel thin, so that its greatest depth is 0; the ignored pixels lie far outside it."""
    target = torch.full((1, 4, 30), 255)
    target[..., :2] = torch.tensor([0, 1])
    logits = torch.randn(1, 2, 4, 30, generator=torch.Generator().manual_seed(0))
    penalized = losses.distance_penalized_cross_entropy(logits, target)
    torch.testing.assert_close(penalized, 2 * losses.cross_entropy(logits, target))


def test_a_picture_of_one_class_has_no_edge() -> None:
    target = torch.ones(1, 4, 6, dtype=torch.int64)
    logits = torch.randn(1, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    penalized = losses.distance_penalized_cross_entropy(logits, target)
    torch.testing.assert_close(penalized, losses.cross_entropy(logits, target))


# The Hausdorff loss


def test_fields_are_zero_without_a_boundary_but_the_loss_is_not() -> None:
    """An empty mask and a predicted object: the prediction's own field still pulls it down."""
    logits = torch.zeros(1, 2, 5, 5)
    logits[0, 1, 2, 2] = 4
    empty = torch.zeros(1, 5, 5, dtype=torch.int64)
    s = logits.softmax(1)[0, 1]
    field = signed_distance(s > 0.5).where(s <= 0.5, torch.tensor(1.0))
    assert losses.hausdorff_loss(logits, empty).item() == pytest.approx((s**2 * field**2).mean().item())
    nowhere = torch.zeros(1, 2, 5, 5)
    nowhere[:, 0] = 3
    assert losses.hausdorff_loss(nowhere, empty) == 0


def test_hausdorff_loss_grows_with_the_distance_of_a_false_object() -> None:
    target = torch.zeros(1, 5, 20, dtype=torch.int64)
    target[:, :, :3] = 1
    values = []
    for column in (4, 8, 12, 16):
        labels = target.clone()
        labels[:, 2, column] = 1
        logits = 100 * torch.nn.functional.one_hot(labels, 2).movedim(-1, 1).float()
        values.append(losses.hausdorff_loss(logits, target).item())
    assert values == sorted(values)
    assert values[-1] > 10 * values[0]
