"""What every R-CNN does with its images and targets: resizing, batching, refusing, restoring."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torchvision import tv_tensors
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from coursekit.models.faster_rcnn import FasterRCNN, pad_to_batch, rescale, size_of
from coursekit.models.keypoint_rcnn import KeypointRCNN
from coursekit.models.mask_rcnn import MaskRCNN

SMALL = {
    "width": 4,
    "min_size": 64,
    "anchor_sizes": (8, 16, 32, 64, 96),
    "rpn_pre_nms_top_n_train": 40,
    "rpn_post_nms_top_n_train": 30,
    "rpn_pre_nms_top_n_test": 40,
    "rpn_post_nms_top_n_test": 20,
    "box_batch_size_per_image": 16,
}
MODELS = {
    "faster": lambda **options: FasterRCNN(3, **SMALL | options),
    "mask": lambda **options: MaskRCNN(3, **SMALL | options),
    "keypoint": lambda **options: KeypointRCNN(3, num_keypoints=5, **SMALL | options),
}
EXTRA_LOSS = {"faster": set(), "mask": {"loss_mask"}, "keypoint": {"loss_keypoint"}}
LOSSES = {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
every_model = pytest.mark.parametrize("name", MODELS)


def make_target(corners=((8.0, 8, 40, 50), (30, 20, 60, 60)), size=(64, 64)):
    boxes = torch.tensor(corners).reshape(-1, 4)
    count = len(boxes)
    masks = torch.zeros(count, *size, dtype=torch.bool)
    masks[:, 15:45, 15:45] = True
    keypoints = torch.tensor([35.0, 35, 2]).expand(count, 5, 3).clone()
    labels = torch.arange(count) % 2 + 1
    return {"boxes": boxes, "labels": labels, "masks": masks, "keypoints": keypoints}


def image(*size):
    return torch.rand(3, *(size or (64, 64)))


@torch.no_grad()
def settled(name, **options):
    """A model in evaluation whose normalisation has seen pictures: its scores are not all 0 or 1."""
    torch.manual_seed(0)
    model = MODELS[name](**options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of what was seen
    model.backbone(torch.randn(2, 3, 64, 64))
    return model.eval()


@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
@pytest.mark.parametrize(
    ("min_size", "max_size"), [(64, 100), (50, 1333), ((32, 48, 80), 1333)], ids=["bounded", "free", "drawn"]
)
def test_resizing_and_batching_are_torchvisions(training, min_size, max_size):
    torch.manual_seed(0)
    images = [image(50, 90), image(71, 33), image(20, 64)]
    targets = [make_target(size=size_of(each)) for each in images]
    model = MaskRCNN(3, **SMALL | {"min_size": min_size, "max_size": max_size}).train(training)
    theirs = GeneralizedRCNNTransform(min_size, max_size, model.image_mean, model.image_std).train(training)
    torch.manual_seed(1)
    expected, expected_targets = theirs(images, targets)
    torch.manual_seed(1)
    resized = [model.resize_image(model.normalise(each)) for each in images]
    torch.testing.assert_close(pad_to_batch(resized), expected.tensors)
    assert [size_of(each) for each in resized] == [tuple(size) for size in expected.image_sizes]
    for before, after, target, other in zip(images, resized, targets, expected_targets, strict=True):
        goal = model.resize_target(target, size_of(before), size_of(after))
        torch.testing.assert_close(goal["boxes"], other["boxes"])
        assert torch.equal(goal["masks"], other["masks"])


def test_rescaling_by_hand():
    boxes = torch.tensor([[1, 2, 3, 4]])  # whole numbers, as annotations often are
    assert rescale(boxes, (10, 10), (5, 20)).tolist() == [[2, 1, 6, 2]]


@every_model
def test_detections_lie_in_each_image_and_are_sorted(name):
    model = settled(name)
    images = [image(50, 90), image(100, 40)]
    for detection, each in zip(model(images), images, strict=True):
        height, width = size_of(each)
        count = len(detection["scores"])
        assert count > 0
        assert (detection["boxes"] >= 0).all()
        assert (detection["boxes"] <= torch.tensor([width, height, width, height]) + 1e-3).all()
        assert (detection["scores"].diff() <= 0).all()
        assert detection["labels"].unique().tolist() in ([1], [2], [1, 2])
        if name == "mask":
            assert detection["masks"].shape == (count, 1, height, width)
        if name == "keypoint":
            assert detection["keypoints"].shape == (count, 5, 3)
            assert detection["keypoints_scores"].shape == (count, 5)


@every_model
def test_thresholds_bound_the_detections(name):
    model = settled(name, box_detections_per_img=3)
    assert len(model([image()])[0]["scores"]) == 3
    model = settled(name, box_score_thresh=0.999)
    (nothing,) = model([image()])
    assert {key: value.shape[0] for key, value in nothing.items()} == dict.fromkeys(nothing, 0)
    if name == "mask":
        assert nothing["masks"].shape == (0, 1, 64, 64)
    if name == "keypoint":
        assert nothing["keypoints"].shape == (0, 5, 3)


@every_model
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_losses_reach_every_parameter(name, dtype):
    torch.manual_seed(0)
    model = MODELS[name]().to(dtype)
    images = [image(64, 80).to(dtype), image().to(dtype)]
    targets = [make_target(size=size_of(each)) for each in images]
    untouched = copy.deepcopy((images, targets))
    losses = model(images, targets)
    assert losses.keys() == LOSSES | EXTRA_LOSS[name]
    assert all(loss.dtype == dtype and loss.isfinite() and loss > 0 for loss in losses.values())
    sum(losses.values()).backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter_name != "roi_heads.keypoint_predictor.kps_score_lowres.bias":  # cancels in the softmax
            assert parameter.grad.abs().sum() > 0, parameter_name
    for before, after in zip((*untouched[0],), images, strict=True):
        assert torch.equal(before, after)
    for before, after in zip(untouched[1], targets, strict=True):
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)


@every_model
@pytest.mark.parametrize("others", [0, 1], ids=["alone", "beside another"])
def test_an_image_without_objects_is_background(name, others):
    torch.manual_seed(0)
    model = MODELS[name]()
    targets = [make_target(corners=()), *[make_target()] * others]
    losses = model([image() for _ in targets], targets)
    assert all(loss.isfinite() for loss in losses.values())
    nothing_to_regress = {"loss_box_reg", "loss_rpn_box_reg"} | EXTRA_LOSS[name]
    assert all((losses[key] == 0) == (others == 0) for key in nothing_to_regress)
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@every_model
def test_training_takes_tv_tensors_and_whole_numbers(name):
    torch.manual_seed(0)
    model = MODELS[name]()
    plain = make_target()
    wrapped = plain | {
        "boxes": tv_tensors.BoundingBoxes(plain["boxes"].long(), format="XYXY", canvas_size=(64, 64)),
        "masks": tv_tensors.Mask(plain["masks"].to(torch.uint8)),
    }
    picture = image()
    losses = []
    for each, target in ((picture, plain), (tv_tensors.Image(picture), wrapped)):
        torch.manual_seed(1)
        losses.append(model([each], [target]))
    for key, loss in losses[0].items():
        assert type(losses[1][key]) is torch.Tensor
        torch.testing.assert_close(losses[1][key], loss)


@every_model
def test_mixed_precision_trains(name):
    torch.manual_seed(0)
    model = MODELS[name]()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model([image()], [make_target()])
    total = sum(losses.values())
    assert total.isfinite()
    total.backward()
    model.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (detection,) = model([image()])
    assert detection["boxes"].dtype == torch.float32  # eight bits are too few for a coordinate


def test_evaluation_ignores_targets():
    model, picture = settled("faster"), image()
    expected, detections = model([picture]), model([picture], [{}])
    assert len(detections[0]["boxes"]) > 0
    assert torch.equal(detections[0]["boxes"], expected[0]["boxes"])


@every_model
def test_a_saved_model_is_the_same(name):
    model, other = settled(name), MODELS[name]().eval()
    other.load_state_dict(model.state_dict())
    copied, picture = pickle.loads(pickle.dumps(model)), image()
    for key, value in model([picture])[0].items():
        assert len(value) > 0
        assert torch.equal(other([picture])[0][key], value)
        assert torch.equal(copied([picture])[0][key], value)


def test_an_image_may_be_a_line():
    assert size_of(MODELS["faster"](max_size=100).resize_image(torch.rand(3, 1, 300))) == (1, 100)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels(channels):
    model = FasterRCNN(3, in_channels=channels, **SMALL).eval()
    assert len(model([torch.rand(channels, 64, 64)])) == 1


def test_a_small_width_scales_every_part():
    model = MaskRCNN(3, width=8)
    assert model.backbone.fpn.out_channels == 32
    assert model.roi_heads.box_head.fc7.out_features == 128
    assert model.roi_heads.mask_head[0][0].out_channels == 32
    assert not any(isinstance(m, nn.Conv2d) and m.out_channels > 256 for m in model.modules())


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ([], ValueError, "images is empty"),
        ([torch.rand(1, 3, 8, 8)], ValueError, r"images\[0\] must have shape \(3, H, W\), got \(1, 3, 8, 8\)"),
        ([torch.rand(1, 8, 8)], ValueError, r"must have shape \(3, H, W\), got \(1, 8, 8\)"),
        ([torch.rand(3, 0, 8)], ValueError, r"must have shape \(3, H, W\), got \(3, 0, 8\)"),
        ([torch.zeros(3, 8, 8, dtype=torch.uint8)], TypeError, "uint8: divide by 255"),
    ],
    ids=["none", "a batch", "grey", "empty", "bytes"],
)
def test_wrong_images_are_refused(images, error, message):
    with pytest.raises(error, match=message):
        MODELS["faster"]().eval()(images)


@pytest.mark.parametrize("targets", [None, []], ids=["none", "too few"])
def test_missing_targets_are_refused(targets):
    with pytest.raises(ValueError, match=r"a target for each of 1 images, got (none|0); .*model.eval\(\)"):
        MODELS["faster"]()([image()], targets)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("faster", {"boxes": torch.rand(2, 5)}, r"\['boxes'\] must have shape \(G, 4\), got \(2, 5\)"),
        ("faster", {"labels": torch.ones(3).long()}, r"int64 of shape \(2,\), one a box, got .* \(3,\)"),
        ("faster", {"labels": torch.ones(2)}, "must be int64 .* got torch.float32"),
        ("faster", {"labels": torch.tensor([1, 0])}, r"has 0, outside 1 … 2"),
        ("faster", {"labels": torch.tensor([1, 3])}, r"has 3, outside 1 … 2"),
        (
            "faster",
            {"boxes": torch.tensor([[0.0, 0, 9, 9], [5, 5, 5, 9]])},
            r"without area, \[5.0, 5.0, 5.0, 9.0\]",
        ),
        ("mask", {"masks": torch.zeros(2, 64, 65)}, r"\(2, 64, 64\), got \(2, 64, 65\)"),
        ("keypoint", {"keypoints": torch.zeros(2, 17, 3)}, r"\(2, 5, 3\), got \(2, 17, 3\)"),
    ],
)
def test_wrong_targets_are_refused(name, change, message):
    with pytest.raises(ValueError, match=r"targets\[1\].*" + message):
        MODELS[name]()([image(), image()], [make_target(), make_target() | change])


@pytest.mark.parametrize(
    ("name", "key"), [("faster", "boxes"), ("faster", "labels"), ("mask", "masks"), ("keypoint", "keypoints")]
)
def test_an_incomplete_target_is_refused(name, key):
    target = make_target()
    del target[key]
    with pytest.raises(ValueError, match=rf"targets\[0\] lacks \['{key}'\]: training needs"):
        MODELS[name]()([image()], [target])


def test_the_pyramid_needs_five_anchor_sizes():
    with pytest.raises(ValueError, match=r"P2 … P6, got \(32, 64\)"):
        FasterRCNN(3, anchor_sizes=(32, 64))
