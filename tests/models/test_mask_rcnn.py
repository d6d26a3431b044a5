"""The mask branch: targets cropped, masks pasted."""

import pytest
import torch
from torchvision.models.detection.roi_heads import paste_masks_in_image, project_masks_on_boxes

from coursekit.models.mask_rcnn import MaskRCNN, crop_masks, paste_masks_whole_pixels
from coursekit.ops import paste_masks


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_pasting_equals_torchvisions(dtype):
    torch.manual_seed(0)
    corners = torch.rand(40, 2, dtype=dtype) * 50 - 12  # some reach outside, none is wholly out
    boxes = torch.cat([corners, corners + 15 + torch.rand(40, 2, dtype=dtype) * 30], dim=1)
    masks = torch.rand(40, 28, 28, dtype=dtype)
    pasted = paste_masks_whole_pixels(masks, boxes, (45, 60))
    torch.testing.assert_close(pasted, paste_masks_in_image(masks[:, None], boxes, (45, 60))[:, 0])


@pytest.mark.parametrize(
    ("box", "pixels"),
    [((2.0, 3, 7, 9), 56), ((-3.0, -2, 4, 5), 30), ((50.0, 0, 60, 5), 0), ((-9.0, 0, -4, 5), 0)],
    ids=["inside", "over the corner", "right of the image", "left of it"],
)
def test_torchvision_paints_too_much(box, pixels):
    (pasted,) = paste_masks_whole_pixels(torch.ones(1, 28, 28), torch.tensor([box]), (20, 20))
    assert (pasted >= 0.5).sum() == pixels


def test_the_larger_box_of_the_example():
    (pasted,) = paste_masks_whole_pixels(torch.ones(1, 28, 28), torch.tensor([[2.0, 3, 7, 9]]), (20, 20))
    rows, columns = torch.where(pasted >= 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 9, 1, 7)


def test_pasting_passes_gradients():
    masks = torch.rand(1, 4, 4, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[1.0, 1, 5, 4]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda m: paste_masks_whole_pixels(m, boxes, (6, 6)), masks)


def test_the_exact_pasting_can_be_chosen():
    torch.manual_seed(0)
    model = MaskRCNN(2, width=4, min_size=64, paste=paste_masks)
    detection = {"boxes": torch.tensor([[4.0, 6, 14, 18]]), "masks": torch.ones(1, 28, 28)}
    restored = model.restore(detection, (40, 40), (20, 20))
    assert restored["boxes"].tolist() == [[2, 3, 7, 9]]
    assert restored["masks"].shape == (1, 1, 20, 20)
    assert restored["masks"].sum() == 30


def test_cropped_targets_equal_torchvisions():
    torch.manual_seed(0)
    masks = (torch.rand(3, 50, 70) > 0.5).to(torch.uint8)
    corners = torch.rand(6, 2) * 30
    boxes = torch.cat([corners, corners + 5 + torch.rand(6, 2) * 15], dim=1)
    index = torch.tensor([0, 2, 1, 1, 0, 2])
    torch.testing.assert_close(crop_masks(masks, boxes, index, 28), project_masks_on_boxes(masks, boxes, index, 28))


def test_a_cropped_target_is_the_object_in_its_box():
    mask = torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[0, 10:20, 10:30] = True
    cropped = crop_masks(mask, torch.tensor([[10.0, 10, 30, 30]]), torch.tensor([0]), 4)
    assert cropped[0, 0].min() > 0.8
    assert cropped[0, 3].max() < 0.1


def test_only_the_mask_of_the_objects_class_is_trained():
    torch.manual_seed(0)
    model = MaskRCNN(4, width=4, min_size=64, anchor_sizes=(8, 16, 32, 64, 96))
    masks = torch.zeros(1, 64, 64, dtype=torch.bool)
    masks[0, 10:40, 10:40] = True
    target = {"boxes": torch.tensor([[10.0, 10, 40, 40]]), "labels": torch.tensor([2]), "masks": masks}
    model([torch.rand(3, 64, 64)], [target])["loss_mask"].backward()
    gradient = model.roi_heads.mask_predictor.mask_fcn_logits.weight.grad.abs().sum(dim=(1, 2, 3))
    assert (gradient > 0).tolist() == [False, False, True, False]
