"""The facts about each network, to be read without importing torch."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Facts:
    """One network of the lecture; `create(name, **options)` builds it.

    `parameters` is what that call builds and `published` the count of the paper or release, empty where none
    is printed. `receptive_field` is how many pixels in a row one value of the encoder's deepest map sees along
    its widest path (None: the whole picture), `stride` the pixels from that value to the next.
    """

    title: str
    name: str
    paper: str
    year: int
    parameters: int
    published: str
    receptive_field: int | None
    stride: int
    lecture: str
    options: dict[str, Any] = field(default_factory=dict)


_LONG = "Long, Shelhamer & Darrell, CVPR"
_FCN, _MIRRORS = "05 FCN", "06 DeconvNet and SegNet"
_REGIONS, _FAST = "09 From R-CNN to Mask R-CNN", "10 Real time"
_ALEX, _GOOGLE = {"backbone": "alexnet"}, {"backbone": "googlenet"}
_ALONE = {"auxiliary": False}  # the auxiliary head serves training only
_AUTHORS = {"depth": 101, "deep_stem": True, "auxiliary": False}

# torchvision's releases of the R-CNNs freeze the 53,120 scales and shifts of batch normalisation and leave them out.
# fmt: off
CATALOGUE = (
    Facts("Patch classifier", "patch_classifier", "Cireşan et al., NIPS", 2012,
          48_709, "", 21, 1, "03 Simple solutions"),
    Facts("FCN-AlexNet", "fcn32s", _LONG, 2015, 56_954_261, "57M", 355, 32, _FCN, _ALEX),
    Facts("FCN-GoogLeNet", "fcn32s", _LONG, 2015, 5_995_077, "6M", 907, 32, _FCN, _GOOGLE),
    Facts("FCN-32s", "fcn32s", _LONG, 2015, 134_346_581, "134M", 404, 32, _FCN),
    Facts("FCN-16s", "fcn16s", _LONG, 2015, 134_357_354, "", 404, 32, _FCN),
    Facts("FCN-8s", "fcn8s", _LONG, 2015, 134_362_751, "", 404, 32, _FCN),
    Facts("DeconvNet", "deconvnet", "Noh, Hong & Han, ICCV", 2015, 251_805_653, "252M", 404, 32, _MIRRORS),
    Facts("SegNet", "segnet", "Badrinarayanan, Kendall & Cipolla, TPAMI", 2017,
          29_449_355, "29.5M", 212, 32, _MIRRORS),
    Facts("U-Net", "unet", "Ronneberger, Fischer & Brox, MICCAI", 2015, 31_030_658, "", 140, 16, "07 U-Net"),
    Facts("PSPNet-50", "pspnet", "Zhao et al., CVPR", 2017, 46_592_597, "", None, 8, "08 PSPNet", _ALONE),
    Facts("PSPNet-101", "pspnet", "Zhao et al., CVPR", 2017,
          65_708_501, "65,708,501 (authors)", None, 8, "08 PSPNet", _AUTHORS),
    Facts("Mask R-CNN", "mask_rcnn", "He et al., ICCV", 2017,
          44_454_513, "44,401,393 (torchvision)", 427, 32, _REGIONS),
    Facts("Keypoint R-CNN", "keypoint_rcnn", "He et al., ICCV", 2017,
          59_190_378, "59,137,258 (torchvision)", 427, 32, _REGIONS),
    Facts("YOLACT-550", "yolact", "Bolya et al., ICCV", 2019,
          50_157_071, "50,157,071 (authors)", 971, 32, _FAST),
    Facts("YOLACT-550, ResNet-50", "yolact", "Bolya et al., ICCV", 2019,
          31_164_943, "31,164,943 (authors)", 427, 32, _FAST, {"backbone": "resnet50"}),
    Facts("YOLOP", "yolop", "Wu et al., Machine Intelligence Research", 2022, 7_940_846, "7.9M", 666, 32, _FAST),
)
# fmt: on
