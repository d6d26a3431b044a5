"""YOLACT: the published network part by part, masks from prototypes, Fast NMS, matching, losses, training."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.ops import box_iou, nms

from coursekit.models.boxes import BACKGROUND, IGNORED
from coursekit.models.yolact import (
    GAINS,
    POSITIVE_IOU,
    YOLACT,
    assemble_masks,
    class_loss,
    losses,
    make_priors,
    mask_loss,
    match_priors,
    one_row,
    semantic_loss,
)

HEIGHT, WIDTH = 96, 128


@pytest.fixture
def model() -> YOLACT:
    torch.manual_seed(0)
    return YOLACT(num_classes=3, backbone="resnet50", width=8)


@pytest.fixture
def targets() -> list[dict[str, Tensor]]:
    """A disc (class 1) and a rectangle (class 2) in each of two pictures; in the second something that fills it."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    disc = (x - 40).square() + (y - 45).square() <= 20**2
    rectangle = (x >= 80) & (x < 120) & (y >= 10) & (y < 40)
    whole = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    disc_box, rectangle_box, whole_box = [20.0, 25, 61, 66], [80.0, 10, 120, 40], [0.0, 0, WIDTH, HEIGHT]
    return [
        {
            "boxes": torch.tensor([disc_box, rectangle_box]),
            "labels": torch.tensor([1, 2]),
            "masks": torch.stack((disc, rectangle)),
        },
        {
            "boxes": torch.tensor([disc_box, whole_box]),
            "labels": torch.tensor([1, 2]),
            "masks": torch.stack((disc, whole)),
        },
    ]


@pytest.fixture
def images(targets: list[dict[str, Tensor]]) -> Tensor:
    """What the targets describe, a class in each of two channels, in noise."""
    images = 0.1 * torch.rand(2, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    for image, target in zip(images, targets, strict=True):
        for mask, label in zip(target["masks"], target["labels"], strict=True):
            image[label] += 0.6 * mask
    return images


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("backbone", "count"), [("resnet101", 50_157_071), ("resnet50", 31_164_943)], ids=["R101", "R50"]
)
def test_published_parameters(backbone: str, count: int) -> None:
    with torch.device("meta"):
        model = YOLACT(backbone=backbone)
    assert parameters(model) == count


@pytest.mark.parametrize(
    ("part", "count"),
    [("fpn", 3_868_672), ("protonet", 2_368_544), ("head", 1_399_135), ("semantic", 20_560)],
)
def test_published_parameters_of_a_part(part: str, count: int) -> None:
    with torch.device("meta"):
        model = YOLACT()
    assert parameters(model.get_submodule(part)) == count


def test_published_shapes_at_550() -> None:
    with torch.device("meta"):
        model = YOLACT(backbone="resnet50")
        images = torch.empty(1, 3, 550, 550)
        levels = model.fpn(model.backbone(images)[1:])
        prototypes = model.protonet(levels[0])
        offsets, classes, coefficients = model.head(levels)
        priors = make_priors(levels, images)
    assert [tuple(level.shape[-2:]) for level in levels] == [(n, n) for n in (69, 35, 18, 9, 5)]
    assert prototypes.shape == (1, 32, 138, 138)
    assert priors.shape == (19_248, 4)
    assert offsets.shape == (1, 19_248, 4)
    assert classes.shape == (1, 19_248, 81)
    assert coefficients.shape == (1, 19_248, 32)


def test_prototypes_are_not_negative(model: YOLACT) -> None:
    prototypes = model.protonet(torch.randn(1, 32, 5, 6))
    assert prototypes.shape == (1, 32, 10, 12)
    assert prototypes.min() == 0 < prototypes.max()


@pytest.mark.parametrize(("size", "side"), [((550, 550), 24), ((700, 700), 24 / 550 * 700), ((275, 1100), 24)])
def test_priors_have_one_area_and_the_papers_three_shapes(size: tuple[int, int], side: float) -> None:
    images = torch.empty(1, 3, *size, dtype=torch.float64)
    levels = [torch.empty(1, 1, 2, 3)] * 5
    priors = make_priors(levels, images).reshape(5, 2, 3, 3, 4)  # level, row, column, shape, side
    widths, heights = priors[..., 2] - priors[..., 0], priors[..., 3] - priors[..., 1]
    assert torch.allclose(widths / heights, widths.new_tensor([1, 0.5, 2]))
    expected = side * widths.new_tensor([1, 2, 4, 8, 16])
    assert torch.allclose((widths * heights).sqrt(), expected[:, None, None, None])
    x, y = (priors[..., 0] + priors[..., 2]) / 2, (priors[..., 1] + priors[..., 3]) / 2
    assert torch.allclose(x, x.new_tensor([1, 3, 5])[:, None] * size[1] / 6)
    assert torch.allclose(y, y.new_tensor([1, 3])[:, None, None] * size[0] / 4)


def matched(side: int, **options: Any) -> float:
    """The share of squares of this side in a picture of 128 that overlap a prior by half.

    One at each pixel of a window of 32 × 32 in the middle: priors of up to that step stand everywhere in it.
    """
    model = YOLACT(num_classes=2, backbone="resnet50", width=2, **options).eval()
    images = torch.zeros(1, 3, 128, 128)
    with torch.no_grad():
        priors = make_priors(model.pyramid(images), images, model.anchor_sides)
    centres = torch.cartesian_prod(*2 * [torch.arange(48.0, 80.0)])
    squares = torch.cat((centres - side / 2, centres + side / 2), dim=1)
    return float((box_iou(squares, priors).amax(dim=1) >= POSITIVE_IOU).float().mean())


@pytest.mark.parametrize("side", [8, 10, 12, 16, 20, 24])
def test_small_objects_in_small_pictures_need_closer_priors(side: int) -> None:
    """The published priors shrink with the picture, their step does not, and most objects fall between them."""
    assert matched(side) < 0.25
    assert matched(side, enlarge=2, anchor_sides=(40, 80, 160, 320, 640)) > 0.85


def test_predictions_come_in_the_order_of_the_priors() -> None:
    """Channel a · D + d at row i, column j belongs to prior (i · W + j) · 3 + a."""
    maps = torch.arange(2 * 12 * 2 * 5).reshape(2, 12, 2, 5)
    rows = one_row(maps)
    assert rows.shape == (2, 30, 4)
    for image, a, d, i, j in [(0, 0, 0, 0, 0), (1, 2, 3, 1, 4), (0, 1, 2, 1, 0), (1, 0, 3, 0, 2)]:
        assert rows[image, (i * 5 + j) * 3 + a, d] == maps[image, a * 4 + d, i, j]


PROTOTYPES = torch.tensor([[[1.0, 0], [0, 1]], [[0, 1], [2, 0]]])  # ((1, 0; 0, 2), (0, 1; 1, 0)), channels last
EVERYWHERE = torch.tensor([[0.0, 0, 2, 2]])


def test_worked_example_of_mask_assembly() -> None:
    (mask,) = assemble_masks(PROTOTYPES, torch.tensor([[1.0, -1.0]]), EVERYWHERE)
    assert mask.tolist() == [pytest.approx(row, abs=5e-5) for row in ([0.6817, 0.3183], [0.3183, 0.8210])]


def test_without_tanh_the_example_would_differ() -> None:
    (mask,) = assemble_masks(PROTOTYPES, torch.tensor([[1.0, -1.0]]).atanh().clamp(-20, 20), EVERYWHERE)
    assert mask.tolist() == [pytest.approx(row, abs=5e-5) for row in ([0.7311, 0.2689], [0.2689, 0.8808])]


def test_masks_are_cut_off_at_their_boxes() -> None:
    prototypes = torch.randn(6, 7, 4, generator=torch.Generator().manual_seed(2))
    coefficients = torch.randn(2, 4, generator=torch.Generator().manual_seed(3))
    boxes = torch.tensor([[1.0, 2, 4, 5], [-3, -3, 20, 1]])
    masks = assemble_masks(prototypes, coefficients, boxes)
    uncut = (prototypes @ coefficients.tanh().T).sigmoid().movedim(2, 0)
    assert torch.equal(masks[0, 2:5, 1:4], uncut[0, 2:5, 1:4])
    assert torch.equal(masks[1, :1], uncut[1, :1])
    assert (masks > 0).sum(dim=(1, 2)).tolist() == [9, 7]


A_B_C = torch.tensor([[0.0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]])


def test_worked_example_of_fast_nms(model: YOLACT) -> None:
    """B is dropped for A, and still drops C, which NMS keeps."""
    scores = torch.tensor([[0.9, 0], [0.8, 0], [0.7, 0]])
    prior, class_id = model.select(A_B_C, scores)
    assert (prior.tolist(), class_id.tolist()) == ([0], [0])
    assert nms(A_B_C, scores[:, 0], 0.5).tolist() == [0, 2]


def test_selection_is_made_in_each_class(model: YOLACT) -> None:
    scores = torch.tensor([[0.5, 0.06], [0.04, 0.8], [0.6, 0.04]])
    prior, class_id = model.select(A_B_C, scores)
    assert prior.tolist() == [1, 2, 0]
    assert class_id.tolist() == [1, 0, 0]

    model.max_detections = 2
    assert model.select(A_B_C, scores)[0].tolist() == [1, 2]
    model.top_k = 1
    assert model.select(A_B_C, scores)[0].tolist() == [1, 2]
    model.max_detections, model.score_threshold = 100, 0.7
    assert model.select(A_B_C, scores)[0].tolist() == [1]
    model.score_threshold = 0.9
    assert [len(index) for index in model.select(A_B_C, scores)] == [0, 0]


def test_matching_by_overlap() -> None:
    """IoU with the object: 1, 0.5, 0.45, 0.3, 0."""
    boxes = torch.tensor([[0.0, 0, 10, 10]])
    priors = torch.tensor([[0.0, 0, 10, y] for y in (10, 5, 4.5, 3)] + [[20.0, 20, 30, 30]])
    assert match_priors(boxes, priors).tolist() == [0, 0, IGNORED, BACKGROUND, BACKGROUND]


def test_every_object_gets_a_prior_of_its_own() -> None:
    """Both overlap the first prior most; the better pair is made first, the other object takes what is left."""
    boxes = torch.tensor([[0.0, 0, 10, 4], [0, 0, 10, 9], [50, 50, 51, 51]])
    priors = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 1], [40, 40, 60, 60], [80, 0, 90, 10]])
    assert match_priors(boxes, priors).tolist() == [1, 0, 2, BACKGROUND]


def test_matching_against_a_loop_over_all_pairs() -> None:
    generator = torch.Generator().manual_seed(4)
    corners = torch.rand(60, 2, generator=generator) * 50
    priors = torch.cat((corners, corners + 5 + torch.rand(60, 2, generator=generator) * 30), dim=1)
    boxes = priors[::10] + torch.randn(6, 4, generator=generator)
    iou = box_iou(boxes, priors)
    pairs = sorted(((iou[b, p].item(), b, p) for b in range(6) for p in range(60)), reverse=True)
    own: dict[int, int] = {}
    for _, b, p in pairs:
        if b not in own and p not in own.values():
            own[b] = p
    expected = []
    for p in range(60):
        overlap, b = iou[:, p].max(dim=0)
        expected.append(b.item() if overlap >= 0.5 else BACKGROUND if overlap < 0.4 else IGNORED)
    for b, p in own.items():
        expected[p] = b
    assert match_priors(boxes, priors).tolist() == expected


def test_class_loss_takes_three_negatives_a_positive() -> None:
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    logits[2, 0] = -9  # ignored, though nothing looks less like background
    logits.requires_grad_()
    matches = torch.tensor([1, BACKGROUND, IGNORED, *[BACKGROUND] * 9])
    loss = class_loss(logits, torch.tensor([1, 2]), matches)
    surprise = -logits.log_softmax(dim=1)
    hardest = sorted((surprise[i, 0].item(), i) for i in range(12) if matches[i] == BACKGROUND)[-3:]
    assert loss.item() == pytest.approx(surprise[0, 2].item() + sum(value for value, _ in hardest))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.any(dim=1).nonzero().flatten().tolist() == sorted([0, *(i for _, i in hardest)])


def test_mask_loss_is_divided_by_the_boxes_area() -> None:
    """Undecided everywhere: ln 2 at each pixel of the box and its margin, whatever the size of the image."""
    for height, width in ((9, 9), (20, 30)):
        masks = torch.rand(2, height, width).round()
        boxes = torch.tensor([[2.0, 3, 6, 8], [0, 0, 1, 2]])
        loss = mask_loss(torch.zeros(height, width, 3), torch.ones(2, 3), masks, boxes)
        expected = math.log(2) * (6 * 7 / 20 + 2 * 3 / 2)  # the second one's margin is half outside
        assert loss.item() == pytest.approx(expected)


def test_mask_loss_against_torch() -> None:
    generator = torch.Generator().manual_seed(6)
    prototypes = torch.rand(8, 9, 4, generator=generator, dtype=torch.float64)
    coefficients = torch.randn(1, 4, generator=generator, dtype=torch.float64)
    mask = torch.rand(1, 8, 9, generator=generator, dtype=torch.float64).round()
    probability = assemble_masks(prototypes, coefficients, torch.tensor([[0, 0, 9, 8]]))
    inner = (slice(None), slice(1, 7), slice(2, 8))
    expected = F.binary_cross_entropy(probability[inner], mask[inner], reduction="sum") / 16
    boxes = torch.tensor([[3.0, 2, 7, 6]], dtype=torch.float64)
    assert torch.allclose(mask_loss(prototypes, coefficients, mask, boxes), expected)


def test_semantic_loss_joins_the_instances_of_a_class() -> None:
    masks = torch.zeros(3, 8, 8)
    masks[0, :4], masks[1, :2], masks[2, :, 4:] = 1, 1, 1  # the first two overlap
    labels = torch.tensor([1, 1, 2])
    truth = torch.zeros(2, 4, 4)
    truth[0, :2], truth[1, :, 2:] = 1, 1
    assert semantic_loss(100 * truth - 50, masks, labels).item() == pytest.approx(0, abs=1e-6)
    assert semantic_loss(torch.zeros(2, 4, 4), masks, labels).item() == pytest.approx(2 * math.log(2))
    wrong = truth.flip(0)
    share = (wrong != truth).sum() / 16
    assert semantic_loss(100 * wrong - 50, masks, labels).item() == pytest.approx(50 * share.item())


def test_undecided_masks_cost_the_same_at_any_scale() -> None:
    """An object of 16 × 8 pixels is one of 8 × 2 prototype pixels, of 10 × 4 with the margin."""
    images = torch.zeros(1, 3, 32, 32)
    mask = torch.zeros(1, 32, 32)
    mask[:, 8:16, 8:24] = 1
    target = {"boxes": torch.tensor([[8.0, 8, 24, 16]]), "labels": torch.tensor([1]), "masks": mask}
    priors = torch.tensor([[8.0, 8, 24, 16], [8, 7, 25, 16], [0, 0, 9, 9]])
    predictions = [torch.zeros(1, 3, 4), torch.zeros(1, 3, 2), torch.zeros(1, 3, 5)]
    predictions += [torch.zeros(1, 8, 16, 5), torch.zeros(1, 1, 4, 4)]  # prototypes, semantic
    found = losses(images, [target], priors, *predictions)
    assert found["loss_mask"].item() == pytest.approx(6.125 * math.log(2) * 40 / 16)
    assert found["loss_classifier"].item() == pytest.approx(1.5 * math.log(2)), "2 positives, 1 negative"
    assert found["loss_semantic"].item() == pytest.approx(math.log(2))


def test_losses_and_their_gradients_reach_every_parameter(model: YOLACT, images: Tensor) -> None:
    """Squares of the size of the priors, one for each level of the pyramid."""
    sides = torch.tensor([5, 10, 19, 39, 77])
    boxes = torch.stack((0 * sides, 0 * sides, sides, sides), dim=1)
    masks = torch.zeros(5, HEIGHT, WIDTH)
    for mask, side in zip(masks, sides, strict=True):
        mask[:side, :side] = 1
    target = {"boxes": boxes.float(), "labels": torch.tensor([1, 2, 1, 2, 1]), "masks": masks}
    before = images.clone()
    losses = model(images, [target, target])
    assert torch.equal(images, before)
    assert set(losses) == set(GAINS)
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_images_without_objects(model: YOLACT, images: Tensor) -> None:
    empty = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, HEIGHT, WIDTH, dtype=torch.bool),
    }
    losses = model(images, [empty, empty])
    assert losses["loss_box_reg"] == losses["loss_classifier"] == losses["loss_mask"] == 0
    assert losses["loss_semantic"] > 0
    sum(losses.values()).backward()


def test_double_precision_and_tv_tensors(images: Tensor, targets: list[dict[str, Tensor]]) -> None:
    model = YOLACT(num_classes=3, backbone="resnet50", width=8).double()
    wrapped = [
        {
            "boxes": tv_tensors.BoundingBoxes(t["boxes"], format="XYXY", canvas_size=(HEIGHT, WIDTH)),
            "labels": t["labels"],
            "masks": tv_tensors.Mask(t["masks"]),
        }
        for t in targets
    ]
    plain, same = model(images.double(), targets), model(images.double(), wrapped)
    for name, loss in plain.items():
        assert loss.dtype == torch.float64
        assert torch.equal(loss, same[name])
    model.eval()
    model.score_threshold = 0.0
    with torch.no_grad():
        (found,) = model(images[:1].double())
    assert found["boxes"].dtype == found["scores"].dtype == torch.float64


@pytest.mark.parametrize("size", [(96, 128), (97, 131), (40, 33)], ids=str)
def test_prediction_at_any_size(model: YOLACT, size: tuple[int, int]) -> None:
    model.eval()
    model.score_threshold = 0.0
    with torch.no_grad():
        predictions = model(torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(7)))
    assert len(predictions) == 2
    for found in predictions:
        assert set(found) == {"boxes", "labels", "scores", "masks"}
        count = len(found["scores"])
        assert 0 < count <= 100
        assert found["boxes"].shape == (count, 4)
        assert found["masks"].shape == (count, 1, *size)
        assert found["masks"].dtype == torch.bool
        assert set(found["labels"].tolist()) <= {1, 2}
        assert found["scores"].diff().max() <= 0
        assert found["boxes"].min() >= 0
        assert (found["boxes"] <= torch.tensor([size[1], size[0]] * 2)).all()


def test_masks_are_cropped_before_they_are_enlarged(model: YOLACT) -> None:
    """Prototypes at a quarter of the height and half of the width; a mask that would fill the image."""
    box = torch.tensor([[8.0, 8, 16, 12]])
    found = model.detect(box, torch.tensor([[0.1, 0.9]]), torch.ones(1, 1), torch.full((6, 10, 1), 30.0), (24, 20))
    cropped = torch.zeros(1, 1, 6, 10)
    cropped[..., 1:4, 3:9] = 1  # the box in prototype pixels is x 4–8, y 2–3
    enlarged = F.interpolate(cropped, size=(24, 20), mode="bilinear") > 0.5
    assert torch.equal(found["masks"], enlarged.expand(2, 1, 24, 20)), "one box, kept in both classes"
    assert found["labels"].tolist() == [2, 1]


def test_nothing_found_is_empty(model: YOLACT, images: Tensor) -> None:
    model.eval()
    model.score_threshold = 1.0
    with torch.no_grad():
        (found,) = model(images[:1])
    shapes = {key: tuple(value.shape) for key, value in found.items()}
    assert shapes == {"boxes": (0, 4), "labels": (0,), "scores": (0,), "masks": (0, 1, HEIGHT, WIDTH)}


def test_an_enlarged_picture_is_seen_as_if_it_had_come_so(
    model: YOLACT, images: Tensor, targets: list[dict[str, Tensor]]
) -> None:
    """The same features, losses and detections; boxes and masks are of the picture as it came."""
    large = F.interpolate(images, scale_factor=2, mode="bilinear")
    doubled = [
        {
            "boxes": 2 * target["boxes"],
            "labels": target["labels"],
            "masks": target["masks"].repeat_interleave(2, dim=1).repeat_interleave(2, dim=2),
        }
        for target in targets
    ]
    expected = model(large, doubled)
    model.eval()
    model.score_threshold = 0.0
    with torch.no_grad():
        (wanted,) = model(large[:1])
        model.enlarge = 2
        (found,) = model(images[:1])
    model.train()
    losses = model(images, targets)
    for name in GAINS:
        assert losses[name].item() == pytest.approx(expected[name].item(), rel=1e-4), name
    assert torch.allclose(found["boxes"], wanted["boxes"] / 2, atol=1e-3)
    assert torch.allclose(found["scores"], wanted["scores"], atol=1e-5)
    assert found["masks"].shape[-2:] == images.shape[-2:]


def test_state_dict_round_trip(model: YOLACT, images: Tensor) -> None:
    other = YOLACT(num_classes=3, backbone="resnet50", width=8)
    other.load_state_dict(model.state_dict())
    for each in (model, other):
        each.eval()
        each.score_threshold = 0.0
    with torch.no_grad():
        for a, b in zip(model(images), other(images), strict=True):
            assert all(torch.equal(a[key], b[key]) for key in a)


def train(model: YOLACT, images: Tensor, targets: list[dict[str, Tensor]], steps: int) -> list[dict[str, float]]:
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    history = []
    for _ in range(steps):
        losses = model(images, targets)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    return history


def test_a_few_steps_lower_every_loss(model: YOLACT, images: Tensor, targets: list[dict[str, Tensor]]) -> None:
    first, *_, last = train(model, images, targets, steps=20)
    for name in GAINS:
        assert last[name] < 0.8 * first[name], name


@pytest.mark.slow
def test_learns_two_pictures_by_heart(model: YOLACT, images: Tensor, targets: list[dict[str, Tensor]]) -> None:
    train(model, images, targets, steps=100)
    model.eval()
    with torch.no_grad():
        predictions = model(images)
    for found, target in zip(predictions, targets, strict=True):
        sure = found["scores"] > 0.5
        masks, truth = found["masks"][sure], target["masks"]
        common, either = (masks & truth).sum(dim=(2, 3)), (masks | truth).sum(dim=(2, 3))
        iou = common / either * (found["labels"][sure, None] == target["labels"])
        assert (iou.amax(dim=0) > 0.7).all()


def test_unknown_backbone() -> None:
    with pytest.raises(ValueError, match="resnet50 or resnet101, not 'vgg16'"):
        YOLACT(backbone="vgg16")


def test_targets_that_cannot_work(model: YOLACT, images: Tensor, targets: list[dict[str, Tensor]]) -> None:
    with pytest.raises(ValueError, match=r"2 images, targets: none.*eval"):
        model(images)
    with pytest.raises(ValueError, match="2 images, targets: 1"):
        model(images, targets[:1])
    with pytest.raises(ValueError, match=r"from 1 to num_classes − 1 = 2, not \[2, 3\]"):
        model(images, [t | {"labels": t["labels"] + 1} for t in targets])
    with pytest.raises(ValueError, match="x1 < x2 and y1 < y2"):
        model(images, [t | {"boxes": t["boxes"].flip(1)} for t in targets])
