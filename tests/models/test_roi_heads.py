"""Pooling from the pyramid is torchvision's, at every level."""

import torch
from torchvision.ops import MultiScaleRoIAlign

from coursekit.models.roi_heads import pool_regions


def pyramid(height, width, channels=3, dtype=torch.float32):
    return [torch.randn(2, channels, height // s, width // s, dtype=dtype) for s in (4, 8, 16, 32, 64)]


def test_each_box_is_pooled_from_the_level_of_its_size():
    torch.manual_seed(0)
    features = pyramid(768, 1024)
    sides = torch.tensor([5.0, 30, 111, 112, 150, 223, 224, 300, 447, 448, 600, 700])
    corners = torch.rand(2, 12, 2) * 60
    boxes = [torch.cat([corner, corner + sides[:, None]], dim=1) for corner in corners]
    boxes[1] = boxes[1].flip(0)
    theirs = MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=7, sampling_ratio=2)
    expected = theirs({str(i): feature for i, feature in enumerate(features)}, boxes, [(768, 1024)] * 2)
    torch.testing.assert_close(pool_regions(features, boxes, 7), expected)


def test_a_box_of_224_pixels_reads_stride_16():
    features = [torch.full((1, 1, 512 // s, 512 // s), float(s)) for s in (4, 8, 16, 32, 64)]
    sides = (50.0, 112, 224, 448)
    boxes = torch.tensor([[0, 0, side, side] for side in sides])
    assert pool_regions(features, [boxes], 1).flatten().tolist() == [4, 8, 16, 32]


def test_gradients_reach_the_levels_that_were_read():
    features = [feature.requires_grad_() for feature in pyramid(128, 128, dtype=torch.float64)]
    boxes = torch.tensor([[0.0, 0, 20, 20], [0, 0, 120, 120]], dtype=torch.float64)
    pooled = pool_regions(features, [boxes, boxes[:0]], 2)
    pooled.sum().backward()
    assert pooled.dtype == torch.float64
    read = [feature.grad is not None and bool(feature.grad.any()) for feature in features]
    assert read == [True, True, False, False, False]


def test_no_boxes_give_no_regions():
    assert pool_regions(pyramid(64, 64), [torch.empty(0, 4)] * 2, 7).shape == (0, 3, 7, 7)
