import pytest
import torch
import torch.nn.functional as F
import torchvision.ops
from torch.autograd import gradcheck
from torchvision.models.detection.roi_heads import paste_masks_in_image

from coursekit.ops import fast_nms, paste_masks, roi_align, roi_pool

PLANE = torch.arange(16.0).view(1, 1, 4, 4)


HALF_A_CELL_LATER = [[2.5, 3.5, 4.5, 5], [6.5, 7.5, 8.5, 9], [10.5, 11.5, 12.5, 13], [12.5, 13.5, 14.5, 15]]


def one_box(*corners):
    return [torch.tensor([corners], dtype=torch.float)]


def random_boxes(count, height, width, generator):
    """Boxes of any size, many partly and some wholly outside of height × width; every other at halves of pixels."""
    size = torch.tensor([width, height])
    first = (torch.rand(count, 2, generator=generator) * 1.6 - 0.4) * size
    boxes = torch.cat([first, first + torch.rand(count, 2, generator=generator) * size], dim=1)
    boxes[::2] = (boxes[::2] * 2).round() / 2
    return boxes


def random_case(seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    height, width, *output_size = torch.randint(1, 9, (4,), generator=generator).tolist()
    height, width, scale = height + 3, width + 3, (1.0, 0.5, 0.25)[seed % 3]
    features = torch.randn(3, 2, height, width, generator=generator).to(dtype)
    boxes = random_boxes(12, height / scale, width / scale, generator).to(dtype)
    image = torch.randint(0, 3, (12, 1), generator=generator).to(dtype)
    return features, torch.cat([image, boxes], dim=1), output_size, scale


DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])

# --- 5: RoIPool and RoIAlign ---


@pytest.mark.parametrize(
    ("box", "size", "expected"), [((0, 0, 3, 3), 2, [[5, 7], [13, 15]]), ((0.6, 0.6, 2.4, 2.4), 1, [[10]])]
)
def test_5_roi_pool(box, size, expected):
    assert roi_pool(PLANE, one_box(*box), size)[0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("box", "size", "samples", "aligned", "expected"),
    [
        ((0, 0, 3, 3), 2, 1, True, [[1.25, 2.75], [7.25, 8.75]]),
        ((0, 0, 3, 3), 2, 1, False, [[3.75, 5.25], [9.75, 11.25]]),
        ((0, 0, 4, 4), 4, 1, True, PLANE[0, 0].tolist()),
        ((0, 0, 4, 4), (4, 4), 1, False, HALF_A_CELL_LATER),
        ((0.6, 0.6, 2.4, 2.4), 1, 2, True, [[5]]),
        ((0.6, 0.6, 2.4, 2.4), 1, 2, False, [[7.5]]),
    ],
    ids=["aligned", "not aligned", "identity", "not identity", "between cells", "between cells, not aligned"],
)
def test_5_roi_align(box, size, samples, aligned, expected):
    out = roi_align(PLANE, one_box(*box), size, sampling_ratio=samples, aligned=aligned)[0, 0]
    torch.testing.assert_close(out, torch.tensor(expected, dtype=torch.float))


def test_5_roi_align_at_half_scale():
    out = roi_align(PLANE, one_box(0, 0, 8, 8), 2, spatial_scale=0.5)[0, 0]
    assert out.tolist() == [[2.5, 4.5], [10.5, 12.5]]


@DTYPES
@pytest.mark.parametrize("seed", range(12))
def test_roi_pool_is_torchvisions(seed, dtype):
    features, boxes, output_size, scale = random_case(seed, dtype)
    expected = torchvision.ops.roi_pool(features, boxes, output_size, scale)
    assert torch.equal(roi_pool(features, boxes, output_size, scale), expected)


@DTYPES
@pytest.mark.parametrize("aligned", [True, False], ids=["aligned", "not aligned"])
@pytest.mark.parametrize("samples", [0, 1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_roi_align_is_torchvisions(seed, samples, aligned, dtype):
    features, boxes, output_size, scale = random_case(seed, dtype)
    expected = torchvision.ops.roi_align(features, boxes, output_size, scale, samples, aligned)
    torch.testing.assert_close(roi_align(features, boxes, output_size, scale, samples, aligned), expected)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["roi_pool", "roi_align"])
def test_gradients_of_the_features_are_torchvisions(name, seed):
    features, boxes, output_size, scale = random_case(seed, torch.float64)
    gradients = []
    for library in (globals(), vars(torchvision.ops)):
        x = features.clone().requires_grad_()
        options = {"aligned": True} if name == "roi_align" else {}
        out = library[name](x, boxes, output_size, scale, **options)
        (out * torch.arange(out.numel()).view_as(out).cos()).sum().backward()
        gradients.append(x.grad)
    torch.testing.assert_close(*gradients)


def test_gradcheck():
    features = torch.randn(1, 1, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[-0.7, 0.3, 2.9, 2.2], [1.2, 0.8, 6.1, 3.3]], dtype=torch.float64)
    features.requires_grad_()
    assert gradcheck(lambda x: roi_pool(x, [boxes], 2), features)
    assert gradcheck(lambda x, b: roi_align(x, [b], (2, 1)), (features, boxes.requires_grad_()))
    masks = torch.rand(2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert gradcheck(lambda m: paste_masks(m, boxes.detach(), (4, 5)), masks)


@pytest.mark.parametrize("pool", [roi_pool, roi_align])
def test_both_forms_of_boxes_and_none_at_all(pool):
    features, boxes, *_ = random_case(0, torch.float32)
    boxes = boxes[boxes[:, 0].argsort(stable=True)]
    as_list = [boxes[boxes[:, 0] == n, 1:] for n in range(3)]
    assert torch.equal(pool(features, boxes, 2), pool(features, as_list, 2))
    assert pool(features, 3 * [torch.zeros(0, 4)], (2, 3)).shape == (0, 2, 2, 3)


@pytest.mark.parametrize("pool", [roi_pool, roi_align])
@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (torch.zeros(2, 4), r"one tensor of boxes is \(K, 5\).*it is \(2, 4\)"),
        ([torch.zeros(2, 4), torch.zeros(2, 4)], "each of the 1 images"),
        ([torch.zeros(2, 5)], r"it has \[\(2, 5\)\]"),
    ],
    ids=["corners", "two images", "five columns"],
)
def test_boxes_of_another_form_are_an_error(pool, boxes, message):
    with pytest.raises(ValueError, match=message):
        pool(PLANE, boxes, 2)


# --- 5: pasting masks ---


def test_5_a_full_mask_fills_its_box():
    pasted = paste_masks(torch.ones(2, 28, 28), torch.tensor([[2.0, 3, 7, 9], [-3, -2, 4, 5]]), (12, 11))
    expected = torch.zeros(2, 12, 11)
    expected[0, 3:9, 2:7] = 1
    expected[1, :5, :4] = 1
    torch.testing.assert_close(pasted, expected)
    assert [int(n) for n in (pasted >= 0.5).sum((1, 2))] == [30, 20]


@pytest.mark.parametrize("seed", range(5))
def test_paste_is_a_bilinear_grid_sample(seed):
    generator = torch.Generator().manual_seed(seed)
    height, width = 14, 19
    masks = torch.rand(8, 7, 5, dtype=torch.float64, generator=generator)
    boxes = random_boxes(8, height, width, generator).double()
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    y, x = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    y, x = (y - top) / (bottom - top), (x - left) / (right - left)
    inside = ((y >= 0) & (y < 1))[:, :, None] & ((x >= 0) & (x < 1))[:, None]
    grid = torch.stack(torch.broadcast_tensors(x[:, None] * 2 - 1, y[:, :, None] * 2 - 1), dim=-1)
    sampled = F.grid_sample(masks[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
    torch.testing.assert_close(paste_masks(masks, boxes, (height, width)), sampled.where(inside, 0))


def test_paste_undoes_roi_align_where_cells_are_pixels():
    picture = torch.rand(1, 1, 12, 15, generator=torch.Generator().manual_seed(0))
    box = torch.tensor([[3.0, 2, 11, 10]])
    cut = roi_align(picture, [box], 8, sampling_ratio=1)[:, 0]
    expected = torch.zeros(1, 12, 15)
    expected[:, 2:10, 3:11] = picture[0, :, 2:10, 3:11]
    torch.testing.assert_close(paste_masks(cut, box, (12, 15)), expected)


def test_paste_resembles_torchvisions_on_large_boxes():
    """Theirs truncates the box and counts its far edge in: the masks agree but for their outline."""
    radius = (torch.arange(28) - 13.5).square()
    disc = (radius[:, None] + radius < 13**2).float()[None]
    box = torch.tensor([[20.0, 30, 160, 190]])
    ours = paste_masks(disc, box, (200, 220)) >= 0.5
    theirs = paste_masks_in_image(disc[:, None], box, (200, 220))[:, 0] >= 0.5
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.97


def test_empty_boxes_and_no_boxes_paste_nothing():
    flat = torch.tensor([[2.5, 1, 2.5, 4], [3, 3.5, 1, 3.5]])
    assert paste_masks(torch.ones(2, 4, 4), flat, (6, 6)).tolist() == torch.zeros(2, 6, 6).tolist()
    assert paste_masks(torch.ones(0, 4, 4), torch.zeros(0, 4), (6, 7)).shape == (0, 6, 7)


# --- 5.1: Fast NMS ---

CHAIN = torch.tensor([[0.0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]])


def test_5_1_suppressed_boxes_still_suppress():
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert torchvision.ops.nms(CHAIN, scores, 0.5).tolist() == [0, 2]
    assert fast_nms(CHAIN, scores, 0.5).tolist() == [0]
    assert fast_nms(CHAIN, scores, 0.54).tolist() == [0, 1, 2]


def test_5_1_an_overlap_of_just_the_threshold_is_kept():
    boxes, scores = torch.tensor([[0.0, 0, 1, 1], [0, 0, 2, 1]]), torch.tensor([0.9, 0.8])
    assert fast_nms(boxes, scores, 0.5).tolist() == [0, 1]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7])
def test_fast_nms_keeps_what_no_better_box_overlaps(threshold):
    generator = torch.Generator().manual_seed(0)
    boxes, scores = random_boxes(60, 20, 20, generator), torch.rand(60, generator=generator)
    iou = torchvision.ops.box_iou(boxes, boxes)
    expected = [
        k
        for k in scores.argsort(descending=True).tolist()
        if not any(scores[j] > scores[k] and iou[j, k] > threshold for j in range(60))
    ]
    kept = fast_nms(boxes, scores, threshold).tolist()
    assert kept == expected
    assert set(kept) <= set(torchvision.ops.nms(boxes, scores, threshold).tolist())


def test_fast_nms_of_nothing_and_of_equals():
    assert fast_nms(torch.zeros(0, 4), torch.zeros(0), 0.5).shape == (0,)
    assert fast_nms(CHAIN[[0, 0]], torch.tensor([0.5, 0.5]), 0.5).tolist() == [0]
