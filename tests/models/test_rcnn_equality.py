"""With torchvision's weights Mask R-CNN and Keypoint R-CNN give torchvision's detections and losses."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torchvision.models import detection
from torchvision.ops import FrozenBatchNorm2d

from coursekit.models.faster_rcnn import FasterRCNN
from coursekit.models.keypoint_rcnn import KeypointRCNN
from coursekit.models.mask_rcnn import MaskRCNN

MODELS = {
    "faster": (FasterRCNN, detection.fasterrcnn_resnet50_fpn),
    "mask": (MaskRCNN, detection.maskrcnn_resnet50_fpn),
    "keypoint": (KeypointRCNN, detection.keypointrcnn_resnet50_fpn),
}
FEW = {
    "min_size": (96, 112),
    "max_size": 150,
    "rpn_pre_nms_top_n_train": 60,
    "rpn_post_nms_top_n_train": 50,
    "rpn_pre_nms_top_n_test": 40,
    "rpn_post_nms_top_n_test": 30,
    "rpn_batch_size_per_image": 32,
    "box_batch_size_per_image": 16,
    "box_detections_per_img": 12,
}
SIZES = [(100, 140), (120, 90), (40, 90)]  # the last is so long that max_size bounds its scale


def theirs_and_ours(name, **options):
    """torchvision's model with random weights, and ours with the same."""
    ours, theirs = MODELS[name]
    theirs = theirs(weights=None, weights_backbone=None, **options)
    with torch.device("meta"):
        ours = ours(**options)
    ours.load_state_dict(theirs.state_dict(), assign=True)
    return theirs, ours


@torch.no_grad()
def as_if_trained(model, images):
    """Statistics and biases that fit the images, logits that differ: several classes are found."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # one pass sets the statistics
    model.backbone(model.transform(images)[0].tensors)
    model.rpn.head.cls_logits.weight *= 30
    model.rpn.head.bbox_pred.weight *= 20
    model.eval()
    scores = model.roi_heads.box_predictor.cls_score
    seen = []
    hook = scores.register_forward_hook(lambda module, inputs, output: seen.append(output))
    model(images)
    hook.remove()
    scores.weight *= 2 / seen[0].std(dim=0, keepdim=True).T
    scores.bias -= scores(torch.zeros_like(scores.weight[:1]))[0]
    scores.bias -= (seen[0].mean(dim=0)) * 2 / seen[0].std(dim=0)


def make_target(size, corners, num_classes):
    boxes, (height, width) = torch.tensor(corners), size
    masks = torch.zeros(len(boxes), height, width, dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = torch.rand(y2 - y1, x2 - x1) > 0.3
    keypoints = torch.rand(len(boxes), 17, 3) * torch.tensor([width, height, 3.0])
    keypoints[..., 2] = keypoints[..., 2].floor()
    labels = torch.arange(len(boxes)) % (num_classes - 1) + 1
    return {"boxes": boxes, "labels": labels, "masks": masks, "keypoints": keypoints}


@pytest.fixture(scope="module", params=["mask", "keypoint"])
def twins(request):
    torch.manual_seed(0)
    images = [torch.rand(3, height, width) for height, width in SIZES]
    corners = [[[10.0, 10, 60, 70], [50, 20, 130, 90]], [[5.0, 5, 50, 100]], [[0.0, 0, 40, 40]]]
    num_classes = {"mask": 5, "keypoint": 2}[request.param]
    targets = [make_target(*each, num_classes) for each in zip(SIZES, corners, strict=True)]
    theirs, ours = theirs_and_ours(request.param, num_classes=num_classes, **FEW)
    as_if_trained(theirs, images)
    return SimpleNamespace(theirs=theirs, ours=ours, images=images, targets=targets)


def test_detections_equal_torchvisions(twins):
    twins.theirs.eval(), twins.ours.eval()
    with torch.no_grad():
        expected, detections = twins.theirs(twins.images), twins.ours(twins.images)
    labels = torch.cat([other["labels"] for other in expected])
    assert len(labels) > 20
    assert len(labels.unique()) == twins.ours.num_classes - 1
    for found, other in zip(detections, expected, strict=True):
        assert found.keys() == other.keys()
        for key, value in found.items():
            torch.testing.assert_close(value, other[key], rtol=1e-4, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")


def test_losses_and_gradients_equal_torchvisions(twins):
    results = []
    for model in (twins.theirs, twins.ours):
        model.train()
        torch.manual_seed(1)  # the same sizes, anchors and proposals are drawn
        losses = model(twins.images, twins.targets)
        model.zero_grad()
        sum(losses.values()).backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
        results.append((losses, gradients))
    (expected, expected_gradients), (losses, gradients) = results
    assert losses.keys() == expected.keys()
    for name, loss in losses.items():
        assert loss > 0
        torch.testing.assert_close(loss, expected[name], rtol=1e-5, atol=1e-6)
    for name, gradient in gradients.items():
        scale = expected_gradients[name].abs().max().item()
        torch.testing.assert_close(gradient, expected_gradients[name], rtol=1e-3, atol=1e-4 * scale + 1e-6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("norm", [nn.BatchNorm2d, FrozenBatchNorm2d], ids=["trainable", "frozen"])
def test_state_dict_has_torchvisions_names(name, norm):
    ours, theirs = MODELS[name]
    with torch.device("meta"):
        expected = theirs(weights=None, weights_backbone=None).state_dict()
        model = ours(norm=norm)
    assert not any(model.load_state_dict(expected, assign=True))
    if norm is nn.BatchNorm2d:
        assert model.state_dict().keys() == expected.keys()


@pytest.mark.parametrize("name", ["mask", "keypoint"])
def test_older_published_names_load(name):
    with torch.device("meta"):
        model = MODELS[name][0]()
        state = model.state_dict()
        old = {older_name(key): value for key, value in state.items()}
        changed = old.keys() - state.keys()
        assert len(changed) == (26 if name == "mask" else 18)
        before = dict(old)
        assert not any(model.load_state_dict(old, assign=True))
    assert old == before


def older_name(key):
    """What the files on the download server call it."""
    for i in range(4):
        key = key.replace(f"mask_head.{i}.0.", f"mask_head.mask_fcn{i + 1}.")
        key = key.replace(f"_blocks.{i}.0.", f"_blocks.{i}.")
    return key.replace("rpn.head.conv.0.0.", "rpn.head.conv.")


@pytest.mark.parametrize(
    ("name", "num_classes", "norm", "count"),
    [
        ("faster", 91, nn.BatchNorm2d, 41_808_406),
        ("faster", 91, FrozenBatchNorm2d, 41_755_286),
        ("mask", 91, nn.BatchNorm2d, 44_454_513),
        ("mask", 91, FrozenBatchNorm2d, 44_401_393),
        ("mask", 2, nn.BatchNorm2d, 43_975_515),
        ("keypoint", 2, nn.BatchNorm2d, 59_190_378),
        ("keypoint", 2, FrozenBatchNorm2d, 59_137_258),
    ],
)
def test_parameter_count(name, num_classes, norm, count):
    with torch.device("meta"):
        model = MODELS[name][0](num_classes, norm=norm)
    assert sum(p.numel() for p in model.parameters()) == count


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("backbone.body", 23_508_032),
        ("backbone.fpn", 3_344_384),
        ("rpn", 593_935),
        ("roi_heads.box_head", 13_895_680),
        ("roi_heads.box_predictor", 466_375),
        ("roi_heads.mask_head", 2_360_320),
        ("roi_heads.mask_predictor", 285_787),
        ("roi_heads.keypoint_head", 17_698_816),
        ("roi_heads.keypoint_predictor", 139_281),
    ],
)
def test_parameter_count_of_the_parts(part, count):
    with torch.device("meta"):
        model = KeypointRCNN() if "keypoint" in part else MaskRCNN()
    assert sum(p.numel() for p in model.get_submodule(part).parameters()) == count
