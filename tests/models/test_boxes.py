"""Anchors, box coding, matching, sampling and suppression against torchvision and by hand."""

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from coursekit.models.boxes import BACKGROUND, IGNORED, decode, encode, grid_anchors, keep_best, match, sample


def random_boxes(count, extent=100.0, dtype=torch.float32):
    corner = torch.rand(count, 2, dtype=dtype) * extent
    return torch.cat([corner, corner + 1 + torch.rand(count, 2, dtype=dtype) * extent / 2], dim=1)


@pytest.mark.parametrize("grid", [(25, 42), (13, 21), (3, 2)], ids=["stride 32", "odd grid", "tiny"])
@pytest.mark.parametrize("side", [32, 100])
def test_anchors_are_torchvisions(grid, side):
    images = torch.empty(2, 3, 800, 1344)
    generator = AnchorGenerator(((side,),), ((0.5, 1.0, 2.0),))
    expected = generator(ImageList(images, [(800, 1344)] * 2), [torch.empty(2, 1, *grid)])
    torch.testing.assert_close(grid_anchors(grid, images, side, (0.5, 1.0, 2.0)), expected[0])


def test_anchors_start_at_the_corner_of_each_cell():
    anchors = grid_anchors((2, 3), torch.empty(1, 3, 16, 24), 8, (1.0,))
    assert anchors[0].tolist() == [-4, -4, 4, 4]
    assert anchors[1].tolist() == [4, -4, 12, 4]  # the next column
    assert anchors[3].tolist() == [-4, 4, 4, 12]  # the next row


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)], ids=str)
def test_coding_is_torchvisions_and_inverts(weights):
    torch.manual_seed(0)
    boxes, references = random_boxes(50), random_boxes(50)
    coder = BoxCoder(weights)
    offsets = encode(boxes, references, weights)
    torch.testing.assert_close(offsets, coder.encode_single(boxes, references))
    torch.testing.assert_close(decode(offsets, references, weights), boxes, rtol=1e-4, atol=1e-4)
    wild = torch.randn(50, 4) * 20
    torch.testing.assert_close(
        decode(wild, references, weights), coder.decode_single(wild, references), rtol=1e-4, atol=1e-3
    )


def test_coding_by_hand():
    reference, box = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 10, 25, 30]])
    offsets = encode(box, reference)  # the centre moves from (5, 10) to (15, 20), the width doubles
    torch.testing.assert_close(offsets, torch.tensor([[1.0, 0.5, 0.693147, 0]]))


def test_coding_has_exact_gradients():
    torch.manual_seed(0)
    boxes, references = (random_boxes(3, dtype=torch.float64).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(encode, (boxes, references))
    assert torch.autograd.gradcheck(decode, (encode(boxes, references).detach().requires_grad_(), references))


@pytest.mark.parametrize("claim_best", [False, True])
def test_matching_is_torchvisions(claim_best):
    torch.manual_seed(0)
    objects, boxes = random_boxes(8), random_boxes(300)
    matcher = Matcher(0.5, 0.3, allow_low_quality_matches=claim_best)
    from torchvision.ops import box_iou

    matches = match(objects, boxes, low=0.3, high=0.5, claim_best=claim_best)
    assert torch.equal(matches, matcher(box_iou(objects, boxes)))
    assert {BACKGROUND, IGNORED} < set(matches.tolist())


def test_matching_by_hand():
    objects = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    boxes = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 4], [30, 30, 40, 40], [50, 50, 60, 52]])
    assert match(objects, boxes, 0.3, 0.7).tolist() == [0, IGNORED, BACKGROUND, BACKGROUND]
    assert match(objects, boxes, 0.3, 0.7, claim_best=True).tolist() == [0, IGNORED, BACKGROUND, 1]


def test_without_objects_all_is_background():
    matches = match(torch.empty(0, 4), random_boxes(5), 0.3, 0.7, claim_best=True)
    assert matches.dtype == torch.int64
    assert matches.tolist() == [BACKGROUND] * 5


@pytest.mark.parametrize(
    ("positives", "negatives", "expected"),
    [(100, 100, (16, 48)), (5, 100, (5, 59)), (100, 10, (16, 10)), (0, 100, (0, 64))],
    ids=["plenty", "few objects", "little background", "no object"],
)
def test_sampling_fills_up_with_background(positives, negatives, expected):
    matches = torch.tensor([3] * positives + [BACKGROUND] * negatives + [IGNORED] * 50)
    chosen, rest = sample(matches, 64, 0.25)
    assert (len(chosen), len(rest)) == expected
    assert len(torch.cat([chosen, rest]).unique()) == sum(expected)
    assert (matches[chosen] == 3).all()
    assert (matches[rest] == BACKGROUND).all()


def test_sampling_follows_the_seed():
    matches = torch.tensor([0, BACKGROUND] * 100)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(torch.cat(sample(matches, 20, 0.5)).tolist())
    assert draws[0] == draws[1] != draws[2]


CHAIN = torch.tensor([[0.0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]])  # A and C both overlap B only


@pytest.mark.parametrize(
    ("groups", "kept"), [([0, 0, 0], [0.9, 0.7]), ([0, 1, 0], [0.9, 0.8, 0.7])], ids=["one class", "two"]
)
def test_suppression_by_hand(groups, kept):
    _, scores, _ = keep_best(
        CHAIN,
        torch.tensor([0.9, 0.8, 0.7]),
        torch.tensor(groups),
        (10, 20),
        min_side=1,
        iou_threshold=0.5,
        count=10,
    )
    torch.testing.assert_close(scores, torch.tensor(kept))


def test_the_best_boxes_are_clipped_counted_and_not_slivers():
    boxes = torch.tensor([[-5.0, -5, 5, 5], [19.5, 0, 30, 9], [8, 0, 12, 50], [0, 8, 2, 9]])
    best, scores, groups = keep_best(
        boxes,
        torch.tensor([0.3, 0.9, 0.5, 0.2]),
        torch.arange(4),
        (10, 20),
        min_side=1,
        iou_threshold=0.5,
        count=2,
    )
    assert best.tolist() == [[8, 0, 12, 10], [0, 0, 5, 5]]
    assert groups.tolist() == [2, 0]
    torch.testing.assert_close(scores, torch.tensor([0.5, 0.3]))
