"""The keypoint branch: points to cells and back."""

import pytest
import torch
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints, keypoints_to_heatmap

from coursekit.models.keypoint_rcnn import KeypointRCNN, find_keypoints, keypoint_cells


def random_boxes(count, extent=60.0):
    corners = torch.rand(count, 2) * extent
    return torch.cat([corners, corners + 1 + torch.rand(count, 2) * extent], dim=1)


@pytest.mark.parametrize(
    ("keypoint", "cell", "valid"),
    [
        ((5.0, 5, 2), 798, True),
        ((19.9, 10, 1), 1623, True),
        ((20.0, 20, 2), 3135, True),
        ((0.0, 0, 2), 0, True),
        ((5.0, 5, 0), 0, False),
        ((20.1, 5, 2), 0, False),
        ((5.0, -0.1, 2), 0, False),
    ],
    ids=["inside", "last column", "on the far corner", "on the near corner", "invisible", "right", "above"],
)
def test_the_cell_of_a_keypoint(keypoint, cell, valid):
    cells, valids = keypoint_cells(torch.tensor([[keypoint]]), torch.tensor([[0.0, 0, 20, 20]]), 56)
    assert (cells.item(), valids.item()) == (cell, valid)


def test_cells_equal_torchvisions():
    torch.manual_seed(0)
    boxes = random_boxes(30)
    keypoints = torch.rand(30, 17, 3) * torch.tensor([120.0, 120, 3])
    keypoints[..., 2] = keypoints[..., 2].floor()
    expected, expected_valid = keypoints_to_heatmap(keypoints, boxes, 56)
    cells, valid = keypoint_cells(keypoints, boxes, 56)
    assert 0 < valid.sum() < valid.numel()
    assert torch.equal(cells, expected)
    assert torch.equal(valid, expected_valid.bool())


def test_found_keypoints_equal_torchvisions():
    torch.manual_seed(0)
    boxes, heatmaps = random_boxes(10), torch.randn(10, 17, 56, 56)
    boxes[0, 2:] = boxes[0, :2] + 0.3  # smaller than a pixel
    expected, expected_scores = heatmaps_to_keypoints(heatmaps, boxes)
    keypoints, scores = find_keypoints(heatmaps, boxes)
    torch.testing.assert_close(keypoints, expected)
    torch.testing.assert_close(scores, expected_scores)


def test_a_keypoint_is_found_where_its_cell_is():
    box = torch.tensor([[10.0, 20, 66, 48]], dtype=torch.float64)
    keypoint = torch.tensor([[[31.5, 40.25, 2]]], dtype=torch.float64)
    (cell,), _ = keypoint_cells(keypoint, box, 56)
    heatmap = torch.zeros(1, 1, 56, 56, dtype=torch.float64)
    heatmap.view(-1)[cell] = 7
    found, _ = find_keypoints(heatmap, box)
    assert found.dtype == torch.float64
    assert (found - keypoint)[0, 0, :2].abs().max() < 1
    assert found[0, 0, 2] == 1


def test_without_visible_keypoints_there_is_no_loss():
    torch.manual_seed(0)
    model = KeypointRCNN(2, 3, width=4, min_size=64, anchor_sizes=(8, 16, 32, 64, 96))
    target = {
        "boxes": torch.tensor([[10.0, 10, 40, 40]]),
        "labels": torch.tensor([1]),
        "keypoints": torch.tensor([[[20.0, 20, 0]] * 3]),
    }
    loss = model([torch.rand(3, 64, 64)], [target])["loss_keypoint"]
    assert loss == 0
    loss.backward()  # zero, but still part of the graph
    target["keypoints"][0, 1, 2] = 1
    assert model([torch.rand(3, 64, 64)], [target])["loss_keypoint"] > 0
