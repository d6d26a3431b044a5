"""What `coursekit train MODEL --data SET` trains: any network at a width for a laptop, on any set of the course."""

from typing import Any

from torch import nn

from coursekit import data, models
from coursekit.data.transforms import eval_recipe, train_recipe
from coursekit.training.pretrained import cards

# The narrow network of each name, with the option that sets its width. The patch classifier sees one window and
# YOLOP answers three questions at once, so that both need more than pictures and labels.
_FCN = {"width": 8, "window": 1}
NARROW: dict[str, dict[str, Any]] = {
    **{"fcn32s": _FCN, "fcn16s": _FCN, "fcn8s": _FCN, "deconvnet": {"width": 8, "window": 3}, "segnet": {"width": 16}},
    **{"unet": {"base_channels": 16, "in_channels": 3, "padding": "same", "dropout": 0.0}, "pspnet": {"width": 16}},
    **{"mask_rcnn": {"width": 16}, "keypoint_rcnn": {"width": 16}, "yolact": {"width": 16, "backbone": "resnet50"}},
}
DETECTORS = {"mask_rcnn": "instance", "keypoint_rcnn": "keypoints", "yolact": "instance"}

# The loader of each set for each task, and the splits to train and to validate on.
SETS: dict[tuple[str, str], tuple[Any, str, str]] = {
    ("camvid", "semantic"): (data.CamVid, "train", "val"),
    ("isbi2012", "semantic"): (data.ISBI2012, "train", "test"),
    ("voc", "semantic"): (data.VOCSegmentation, "train", "val"),
    ("cityscapes", "semantic"): (data.Cityscapes, "train", "val"),
    ("oxford-iiit-pet", "semantic"): (data.OxfordIIITPet, "train", "test"),
    ("nuclei", "instance"): (data.Nuclei, "train", "val"),
    ("pennfudan", "instance"): (data.PennFudan, "train", "val"),
    ("coco", "instance"): (data.CocoInstances, "train", "val"),
    ("coco", "keypoints"): (data.CocoKeypoints, "train", "val"),
}
STREETS = "streets"


def task_for(model: str) -> str:
    """What a network is taught: "semantic", "instance" or "keypoints"; ValueError for one that is not trained so."""
    if model not in NARROW:
        raise ValueError(f"there is no training of {model!r} by command; there is for {', '.join(NARROW)}")
    return DETECTORS.get(model, "semantic")


def sets(name: str, task: str, size: tuple[int, int]) -> tuple[data.Cached, data.Cached, int]:
    """The set to train on, augmented, the one to validate on, and the number of classes; pictures of `size`.

    Raises ValueError for a set that has no labels for the task, and as the sets do.
    """
    augment = train_recipe(size, scale=(0.8, 1.25), colour=0.2)
    if name == STREETS:
        train, validation = data.StreetScenes(1000, size, task, seed=0), data.StreetScenes(100, size, task, seed=1)
        return data.Cached(train, augment), data.Cached(validation), len(train.classes)
    if (name, task) not in SETS:
        known = [STREETS, *(each for each, kind in SETS if kind == task)]
        raise ValueError(f"{name!r} has no labels for a {task} network; there are {', '.join(known)}")
    kind, *splits = SETS[name, task]
    whole, held_out = (kind(split=split, transforms=eval_recipe(size)) for split in splits)
    classes = max(whole.classes) + 1 if isinstance(whole.classes, dict) else len(whole.classes)
    return data.Cached(whole, augment), data.Cached(held_out), classes


def network(model: str, num_classes: int, size: tuple[int, int], width: int | None = None) -> nn.Module:
    """The narrow network, or one of another `width`, for pictures of `size`."""
    options = {**NARROW[model], "num_classes": num_classes}
    if width is not None:
        options["base_channels" if model == "unet" else "width"] = width
    if model.endswith("rcnn"):
        options |= {"min_size": min(size), "max_size": max(size), "anchor_sizes": (8, 16, 32, 64, 128)}
    if model == "yolact" and max(size) <= 256:  # larger ones fit the published sizes better
        options |= closer_priors()
    return models.create(model, **options)


def closer_priors() -> dict[str, Any]:
    """How YOLACT is to see small pictures: as the one that ships saw its nuclei, which the published priors miss."""
    options = cards()["yolact-nuclei"].options
    return {name: options[name] for name in ("enlarge", "anchor_sides")}
