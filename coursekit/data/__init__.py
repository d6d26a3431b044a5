"""Pictures with labels: scenes made on the spot, and real sets behind one face.

`Set(root=None, split="train", transforms=None, download=False)` is a sequence of `(image, target)`: an Image
(3, H, W) float32 in [0, 1] and a target that depends on the task.

- `street_scenes.py`: `StreetScenes`, for all four tasks, without any file
- semantic, a Mask (H, W) int64 with void 255: `camvid.py`, `isbi2012.py`, `kitti.py`, `torchvision_sets.py`
- instances, `{"masks", "boxes", "labels"}`: `nuclei.py`, `pennfudan.py`, `coco.py`
- panoptic, `{"ids", "segments_info"}`, and keypoints, `{"keypoints", "boxes", "labels"}`: `coco.py`
- `transforms.py`: the same crop, flip, scale, elastic and colour for a picture and all its labels
- `cached.py`: `Cached`, any set read from disk once and kept in memory
- `conversions.py`: from one kind of label to another
- `records.py`: every set's size, terms and source; `locate.py`, `downloads.py`, `reading.py`, `base.py`: how
  a set is found, fetched and read
"""

from .cached import Cached
from .camvid import CamVid
from .coco import CocoInstances, CocoKeypoints, CocoPanoptic
from .downloads import DownloadError
from .isbi2012 import ISBI2012
from .kitti import KittiRoad
from .locate import MissingSetError
from .nuclei import Nuclei
from .pennfudan import PennFudan
from .reading import DamagedFileError
from .records import Record, catalogue, get, record
from .street_scenes import StreetScenes
from .torchvision_sets import Cityscapes, OxfordIIITPet, VOCSegmentation

__all__ = [
    "ISBI2012",
    "Cached",
    "CamVid",
    "Cityscapes",
    "CocoInstances",
    "CocoKeypoints",
    "CocoPanoptic",
    "DamagedFileError",
    "DownloadError",
    "KittiRoad",
    "MissingSetError",
    "Nuclei",
    "OxfordIIITPet",
    "PennFudan",
    "Record",
    "StreetScenes",
    "VOCSegmentation",
    "catalogue",
    "get",
    "record",
]
