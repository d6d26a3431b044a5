"""The networks of the lecture, one file an architecture, each readable alone from top to bottom.

===================  ==========================================================================
patch_classifier.py  `PatchClassifier`: one window, one pixel; and the same network made dense
fcn.py               `FCN32s`, `FCN16s`, `FCN8s`, `convolutionalize`: a classifier turned dense
deconvnet.py         `DeconvNet`: the decoder as the encoder's mirror image
segnet.py            `SegNet`: the same without the fully connected layers
unet.py              `UNet`: skips that carry features
pspnet.py            `PSPNet`: pooling at four scales
resnet.py, fpn.py    `ResNet`, `FPN`: the backbone of PSPNet and of what follows
faster_rcnn.py       `FasterRCNN`: boxes; with rpn.py, roi_heads.py and boxes.py
mask_rcnn.py         `MaskRCNN`: boxes first, then a mask in each
keypoint_rcnn.py     `KeypointRCNN`: boxes first, then seventeen one-hot masks in each
yolact.py            `YOLACT`: prototypes and coefficients, in real time
yolop.py             `YOLOP`: vehicles, drivable area and lanes from one encoder
efficientnet_unet.py `EfficientNetUNet`: not of the lecture; what a pretrained encoder is worth
blocks.py            what several of them share
catalogue.py         `CATALOGUE`, a table of `Facts`: paper, year, parameters, receptive field, lecture
===================  ==========================================================================

`create(name, **options)` builds any network of the lecture that `names()` lists, and "efficientnet_unet". A file
is imported when its class is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from coursekit.models.catalogue import CATALOGUE, Facts

if TYPE_CHECKING:
    from torch import nn

_CLASSES = {
    "patch_classifier": "PatchClassifier",
    "fcn32s": "FCN32s",
    "fcn16s": "FCN16s",
    "fcn8s": "FCN8s",
    "deconvnet": "DeconvNet",
    "segnet": "SegNet",
    "unet": "UNet",
    "pspnet": "PSPNet",
    "mask_rcnn": "MaskRCNN",
    "keypoint_rcnn": "KeypointRCNN",
    "yolact": "YOLACT",
    "yolop": "YOLOP",
}
_BESIDES = {"efficientnet_unet": "EfficientNetUNet"}
_FILES = {
    "patch_classifier": ("PatchClassifier",),
    "fcn": ("FCN32s", "FCN16s", "FCN8s", "convolutionalize"),
    "deconvnet": ("DeconvNet",),
    "segnet": ("SegNet",),
    "unet": ("UNet",),
    "pspnet": ("PSPNet",),
    "resnet": ("ResNet",),
    "fpn": ("FPN",),
    "faster_rcnn": ("FasterRCNN",),
    "mask_rcnn": ("MaskRCNN",),
    "keypoint_rcnn": ("KeypointRCNN",),
    "yolact": ("YOLACT",),
    "yolop": ("YOLOP",),
    "efficientnet_unet": ("EfficientNetUNet",),
}
_HOMES = {public: file for file, publics in _FILES.items() for public in publics}

__all__ = ["CATALOGUE", "Facts", "create", "names", *_HOMES]  # noqa: PLE0604


def names() -> list[str]:
    """The networks of the lecture, in its order."""
    return list(_CLASSES)


def create(name: str, **options: Any) -> "nn.Module":
    """The model of that name; the options are those of its class, and the defaults its published size.

    Every network of the lecture takes `width`, the channels of its first stage, which U-Net calls `base_channels`.

    Raises ValueError for an unknown name.
    """
    known = _CLASSES | _BESIDES
    if name not in known:
        raise ValueError(f"no model is called {name!r}; there are {', '.join(known)}")
    if name == "unet" and "width" in options:
        options["base_channels"] = options.pop("width")
    return __getattr__(known[name])(**options)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
