"""YOLOP: the published network part by part, who answers for which box, the losses, training, prediction."""

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.ops import box_iou, complete_box_iou

from coursekit.models.yolop import (
    ANCHORS,
    GAINS,
    STRIDES,
    YOLOP,
    assign,
    decode_boxes,
    lane_iou_loss,
    segmentation_loss,
)

HEIGHT, WIDTH = 96, 128


@pytest.fixture
def model() -> YOLOP:
    torch.manual_seed(0)
    return YOLOP(num_classes=2, width=8)


@pytest.fixture
def targets() -> list[dict[str, Tensor]]:
    drivable = torch.zeros(HEIGHT, WIDTH, dtype=torch.int64)
    drivable[60:] = 1
    drivable[:5] = 255
    lane = torch.zeros(HEIGHT, WIDTH, dtype=torch.int64)
    lane[60:, 60:66] = 1
    boxes = torch.tensor([[2.0, 20, 28, 80], [70, 30, 82, 50], [100, 8, 106, 20]])
    labels = torch.tensor([1, 2, 1])
    return [
        {"boxes": boxes[:2], "labels": labels[:2], "drivable": drivable, "lane": lane},
        {"boxes": boxes[1:], "labels": labels[1:], "drivable": drivable.flip(1), "lane": lane.flip(1)},
    ]


@pytest.fixture
def images(targets: list[dict[str, Tensor]]) -> Tensor:
    """What the targets describe: road in one channel, its lane in the next, objects in the last."""
    images = 0.1 * torch.rand(2, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    for image, target in zip(images, targets, strict=True):
        image[0] += 0.5 * (target["drivable"] == 1)
        image[1] += 0.8 * target["lane"]
        for (x1, y1, x2, y2), label in zip(target["boxes"].int().tolist(), target["labels"], strict=True):
            image[2, y1:y2, x1:x2] += 0.4 * label
    return images


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("", 7_940_846),
        ("encoder", 4_843_904),
        ("detector", 2_411_190),
        ("drivable", 342_876),
        ("lane", 342_876),
    ],
    ids=["whole", "encoder", "detector", "drivable", "lane"],
)
def test_published_parameters(part: str, count: int) -> None:
    with torch.device("meta"):
        model = YOLOP()
    assert parameters(model.get_submodule(part)) == count


def test_published_shapes_at_640() -> None:
    with torch.device("meta"):
        model = YOLOP()
        features = model.encoder(torch.empty(1, 3, 640, 640))
        predictions = model.detector(*features)
        drivable, lane = model.drivable(features[0]), model.lane(features[0])
    assert [tuple(f.shape[1:]) for f in features] == [(256, 80, 80), (128, 40, 40), (256, 20, 20)]
    assert [output.out_channels for output in model.detector.outputs] == [18, 18, 18]
    assert [tuple(p.shape) for p in predictions] == [(1, 3, n, n, 6) for n in (80, 40, 20)]
    assert drivable.shape == lane.shape == (1, 2, 640, 640)


def test_segmentation_heads_end_in_logits(model: YOLOP) -> None:
    last = list(model.lane.children())[-1]
    assert isinstance(last, nn.BatchNorm2d), "an activation would bound the logits"


def test_zero_logits_decode_to_the_anchors_at_the_cells_centres() -> None:
    anchors = torch.tensor(ANCHORS[1], dtype=torch.float64)
    boxes = decode_boxes(torch.zeros(1, 3, 2, 3, 6, dtype=torch.float64), anchors, stride=16)
    for a, row, column in product(range(3), range(2), range(3)):
        width, height = ANCHORS[1][a]
        x, y = 16 * (column + 0.5), 16 * (row + 0.5)
        expected = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
        assert boxes[0, a, row, column].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("logit", "reach", "factor"), [(-40.0, -0.5, 0.0), (40.0, 1.5, 4.0)])
def test_range_of_decoded_boxes(logit: float, reach: float, factor: float) -> None:
    anchors = torch.tensor([[10.0, 20.0]])
    x1, y1, x2, y2 = decode_boxes(torch.full((1, 1, 1, 1, 6), logit), anchors, stride=8)[0, 0, 0, 0].tolist()
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((8 * reach, 8 * reach))
    assert (x2 - x1, y2 - y1) == pytest.approx((10 * factor, 20 * factor), abs=1e-4)


def test_who_can_reach_the_centre_is_in_charge() -> None:
    """Against a loop over all cells: beside the centre's own, and the centre within reach of the decoder."""
    generator = torch.Generator().manual_seed(2)
    rows, columns, stride = 6, 9, 16
    centres = torch.rand(40, 2, generator=generator) * torch.tensor([columns, rows]) * stride
    sides = torch.rand(40, 2, generator=generator) * 60 + 2
    boxes = torch.cat((centres - sides / 2, centres + sides / 2), dim=1)
    anchors = torch.tensor(ANCHORS[1], dtype=torch.float32)

    expected = set()
    for t, a, row, column in product(range(40), range(3), range(rows), range(columns)):
        factors = [*(sides[t] / anchors[a]), *(anchors[a] / sides[t])]
        x, y = (centres[t] / stride).tolist()
        steps = abs(column - math.floor(x)) + abs(row - math.floor(y))
        if max(factors) < 4 and steps <= 1 and -0.5 < x - column < 1.5 and -0.5 < y - row < 1.5:
            expected.add((t, a, row, column))
    found = list(zip(*(index.tolist() for index in assign(boxes, anchors, stride, (rows, columns))), strict=True))
    assert len(found) == len(set(found))
    assert set(found) == expected


@pytest.mark.parametrize(
    ("logits", "target", "expected"),
    [
        ([[0.0, 0.0]], [[0, 1]], math.log(2)),
        ([[30.0, -30.0]], [[1, 0]], 0.0),
        ([[30.0, 0.0]], [[1, 255]], 0.0),
        ([[3.0, 0.0]], [[255, 255]], 0.0),
    ],
    ids=["undecided", "right", "wrong only where unknown", "all unknown"],
)
def test_segmentation_loss_by_hand(logits: list, target: list, expected: float) -> None:
    positive = torch.tensor(logits)
    both = torch.stack((-positive, positive))[None]
    assert segmentation_loss(both, torch.tensor(target)[None]).item() == pytest.approx(expected, abs=1e-6)


def test_segmentation_loss_against_torch() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 2, 4, 5, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 2, (2, 4, 5), generator=generator)
    one_hot = torch.stack((1 - target, target), dim=1).double()
    assert torch.allclose(segmentation_loss(logits, target), F.binary_cross_entropy(logits.sigmoid(), one_hot))


def test_lane_iou_of_sure_logits_is_that_of_the_masks() -> None:
    """Lane pixels 1 2 3 4, predicted 3 4 5, pixel 4 unknown: 1 common of 4, hence 1 − 1/4."""
    lane = torch.tensor([[[0, 1, 1, 1, 255, 0]]])
    predicted = torch.tensor([-50.0, -50, -50, 50, 50, 50])
    logits = torch.stack((-predicted, predicted))[None, :, None]
    assert lane_iou_loss(logits, lane).item() == pytest.approx(0.75)


def test_lane_iou_has_a_gradient() -> None:
    logits = torch.zeros(1, 2, 1, 4, dtype=torch.float64, requires_grad=True)
    lane_iou_loss(logits, torch.tensor([[[0, 1, 1, 0]]])).backward()
    assert logits.grad is not None
    assert (logits.grad[0, 1, 0].sign() == torch.tensor([1, -1, -1, 1])).all(), "up off the lane, down on it"


def test_a_sure_cell_becomes_one_detection_per_object(model: YOLOP) -> None:
    """Two neighbouring cells see the same box, a third one sees another class in the same place."""
    predictions = [torch.full((1, 3, HEIGHT // s, WIDTH // s, 7), -20.0) for s in STRIDES]
    coarse = predictions[2][0, 1]  # anchor 38 × 81 at stride 32
    coarse[1, 1] = torch.tensor([0, 0, 0, 0, 5, 6, -20])
    coarse[1, 2] = torch.tensor([-1.0986, 0, 0, 0, 4, 6, -20])  # a quarter of 2, minus 1/2: its left border
    coarse[2, 1] = torch.tensor([0, -20, 0, 0, 3, -20, 6])
    (found,) = model.detect(predictions, torch.zeros(1, 3, HEIGHT, WIDTH))
    assert found["labels"].tolist() == [1, 1, 2]
    x, y = 48, 48
    assert found["boxes"][0].tolist() == pytest.approx([x - 19, y - 40.5, x + 19, y + 40.5])
    assert found["boxes"][1].tolist() == pytest.approx([64 - 19, y - 40.5, 64 + 19, y + 40.5], abs=0.01)
    expected = [torch.tensor(o).sigmoid() * torch.tensor(6.0).sigmoid() for o in (5.0, 4.0, 3.0)]
    assert found["scores"].tolist() == pytest.approx([float(e) for e in expected])

    model.nms_threshold = 0.4  # the first two have IoU 22 / 54 = 0.407
    assert model.detect(predictions, torch.zeros(1, 3, HEIGHT, WIDTH))[0]["labels"].tolist() == [1, 2]
    model.max_detections = 1
    assert len(model.detect(predictions, torch.zeros(1, 3, HEIGHT, WIDTH))[0]["scores"]) == 1


def test_prediction(model: YOLOP, images: Tensor) -> None:
    model.eval()
    model.score_threshold = 0.0
    before = images.clone()
    with torch.no_grad():
        out = model(images)
    assert torch.equal(images, before)
    assert set(out) == {"detections", "drivable", "lane"}
    assert out["drivable"].shape == out["lane"].shape == (2, 2, HEIGHT, WIDTH)
    for found in out["detections"]:
        boxes, scores = found["boxes"], found["scores"]
        assert 0 < len(scores) <= 300
        assert boxes.shape == (len(scores), 4)
        assert found["labels"].shape == scores.shape
        assert set(found["labels"].tolist()) <= {1, 2}
        assert scores.diff().max() <= 0
        assert boxes.min() >= 0
        assert boxes[:, 2].max() <= WIDTH
        assert boxes[:, 3].max() <= HEIGHT


def test_losses_and_their_gradients_reach_every_parameter(
    model: YOLOP, images: Tensor, targets: list[dict[str, Tensor]]
) -> None:
    losses = model(images, targets)
    assert set(losses) == set(GAINS)
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_an_object_is_sought_in_its_own_image(model: YOLOP, targets: list[dict[str, Tensor]]) -> None:
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    predictions = [torch.zeros(3, 3, HEIGHT // s, WIDTH // s, 7, requires_grad=True) for s in STRIDES]
    model.detection_losses(predictions, [empty, empty, targets[0]])["loss_box_reg"].backward()
    for prediction in predictions:
        assert prediction.grad is not None
        assert prediction.grad.flatten(1).any(dim=1).tolist() == [False, False, True]


def test_objectness_aims_at_the_quality_of_the_box(model: YOLOP) -> None:
    """At logit 0 the gradient is balance · (1/2 − aim) / cells, and the boxes are the anchors themselves."""
    predictions = [torch.zeros(1, 3, HEIGHT // s, WIDTH // s, 7, requires_grad=True) for s in STRIDES]
    target = {"boxes": torch.tensor([[29.0, 7.5, 67, 88.5]]), "labels": torch.tensor([1])}  # 38 × 81
    model.detection_losses(predictions, [target])["loss_objectness"].backward()
    fine, _, coarse = (
        0.5 - prediction.grad[0, ..., 4] * prediction[..., 4].numel() / balance
        for prediction, balance in zip(predictions, (4.0, 1.0, 0.4), strict=True)
        if prediction.grad is not None
    )
    expected = torch.zeros(3, 3, 4)
    for a, (row, column) in product(range(3), ((1, 1), (1, 2), (2, 1))):
        (width, height), x, y = ANCHORS[2][a], 32 * (column + 0.5), 32 * (row + 0.5)
        box = torch.tensor([[x - width / 2, y - height / 2, x + width / 2, y + height / 2]])
        expected[a, row, column] = complete_box_iou(box, target["boxes"]).clamp(min=0).item()
    assert expected[1, 1, 1] == pytest.approx(1)
    assert torch.allclose(coarse, expected, atol=1e-5)
    assert fine.abs().max() < 1e-5, "81 pixels are more than 4 · 20"


def test_images_without_objects(model: YOLOP, images: Tensor, targets: list[dict[str, Tensor]]) -> None:
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = model(images, [target | empty for target in targets])
    assert losses["loss_box_reg"] == losses["loss_classifier"] == 0
    assert losses["loss_objectness"] > 0
    sum(losses.values()).backward()


def test_double_precision_and_tv_tensors(images: Tensor, targets: list[dict[str, Tensor]]) -> None:
    model = YOLOP(num_classes=2, width=8).double()
    wrapped = [
        {
            "boxes": tv_tensors.BoundingBoxes(t["boxes"], format="XYXY", canvas_size=(HEIGHT, WIDTH)),
            "labels": t["labels"],
            "drivable": tv_tensors.Mask(t["drivable"].to(torch.uint8)),
            "lane": tv_tensors.Mask(t["lane"].to(torch.uint8)),
        }
        for t in targets
    ]
    plain, same = model(images.double(), targets), model(images.double(), wrapped)
    for name, loss in plain.items():
        assert loss.dtype == torch.float64
        assert torch.equal(loss, same[name])


def test_state_dict_round_trip(model: YOLOP, images: Tensor) -> None:
    other = YOLOP(num_classes=2, width=8)
    other.load_state_dict(model.state_dict())
    model.eval(), other.eval()
    with torch.no_grad():
        a, b = model(images), other(images)
    assert torch.equal(a["drivable"], b["drivable"])
    assert torch.equal(a["lane"], b["lane"])


def train(model: YOLOP, images: Tensor, targets: list[dict[str, Tensor]], steps: int) -> list[dict[str, float]]:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.3  # 0.03 needs hundreds of steps to forget where it began
    optimiser = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-2, total_steps=steps)
    history = []
    for _ in range(steps):
        losses = model(images, targets)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
        schedule.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    return history


def test_a_few_steps_lower_the_losses(model: YOLOP, images: Tensor, targets: list[dict[str, Tensor]]) -> None:
    first, *_, last = train(model, images, targets, steps=30)
    for name in ("loss_box_reg", "loss_classifier", "loss_drivable", "loss_lane"):
        assert last[name] < 0.9 * first[name], name
    assert sum(last.values()) < 0.5 * sum(first.values())


@pytest.mark.slow
def test_learns_two_pictures_by_heart(model: YOLOP, images: Tensor, targets: list[dict[str, Tensor]]) -> None:
    train(model, images, targets, steps=120)
    model.eval()
    with torch.no_grad():
        out = model(images)
    for found, target in zip(out["detections"], targets, strict=True):
        same_class = target["labels"][:, None] == found["labels"]
        overlap = box_iou(target["boxes"], found["boxes"]) * same_class
        assert (overlap.amax(dim=1) > 0.5).all()
    for name in ("drivable", "lane"):
        truth = torch.stack([target[name] for target in targets])
        assert (out[name].argmax(dim=1) == truth)[truth != 255].float().mean() > 0.95


@pytest.mark.parametrize(
    ("size", "fits"),
    [((100, 128), "128 × 128"), ((96, 130), "96 × 160"), ((31, 31), "32 × 32")],
    ids=["height", "width", "both"],
)
def test_sizes_that_cannot_work(model: YOLOP, size: tuple[int, int], fits: str) -> None:
    with pytest.raises(ValueError, match=rf"multiples of 32, not {size[0]} × {size[1]}.*{fits}"):
        model(torch.zeros(1, 3, *size))


@pytest.mark.parametrize("width", [0, 4, 12])
def test_widths_that_cannot_work(width: int) -> None:
    with pytest.raises(ValueError, match=rf"multiple of 8.*{width}"):
        YOLOP(width=width)


def test_targets_that_cannot_work(model: YOLOP, images: Tensor, targets: list[dict[str, Tensor]]) -> None:
    with pytest.raises(ValueError, match=r"2 images, targets: none.*eval"):
        model(images)
    with pytest.raises(ValueError, match="2 images, targets: 1"):
        model(images, targets[:1])
    with pytest.raises(ValueError, match="lacks drivable, lane"):
        model(images, [{"boxes": t["boxes"], "labels": t["labels"]} for t in targets])
    with pytest.raises(ValueError, match=r"from 1 to num_classes = 2, not \[0, 1\]"):
        model(images, [t | {"labels": t["labels"] - 1} for t in targets])
