"""What is measured: every experiment, its data, its budget and its rows, as plain data.

An `Experiment` gives all of its rows the same pictures, epochs, batches and schedule, so that what differs
between two rows is what the rows say. `tasks.py` knows what to do with `task` and `data`, `run.py` runs one row
with one seed, `tables.py` reads what was recorded.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

STREETS = {"set": "streets", "size": (96, 128), "train": 1000, "test": 200}
STREET_THINGS = {**STREETS, "test": 100, "knobs": {"min_area": 30}}
NUCLEI = {"set": "nuclei", "size": (128, 128), "crops": 4}

SMALL_RCNN = {
    "group_norm": 4,
    "min_size": 96,
    "anchor_sizes": (8, 16, 32, 64, 96),
    "rpn_pre_nms_top_n_train": 200,
    "rpn_post_nms_top_n_train": 100,
    "rpn_pre_nms_top_n_test": 200,
    "rpn_post_nms_top_n_test": 100,
    "rpn_batch_size_per_image": 64,
    "box_batch_size_per_image": 32,
    "box_detections_per_img": 40,
}


@dataclass(frozen=True)
class Row:
    """One line of a table: a model with its options, a loss with its, the largest learning rate.

    `options` go to `coursekit.training.pretrained.build`, `task_options` to the task. `start` names the row whose
    trained network this one goes on from.
    """

    name: str
    title: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    loss: str = "cross_entropy"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    learning_rate: float = 2e-3
    task_options: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""


@dataclass(frozen=True)
class Column:
    """A score of the table. `percent` shows a fraction as a percentage; `digits` stand after the point."""

    score: str
    title: str
    percent: bool = True
    digits: int = 1


@dataclass(frozen=True)
class Experiment:
    """Rows that are compared on one task. The first column is the one that is compared first.

    `checkpoints`, where it is not empty, ends the names under which the networks of the first seed ship with the
    package: row "unet" and "streets" make "unet-streets". They are stored, and scored, in half precision.
    """

    name: str
    title: str
    about: str
    task: str
    data: Mapping[str, Any]
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    epochs: int
    batch_size: int = 8
    seeds: tuple[int, ...] = (0, 1, 2)
    checkpoints: str = ""

    def row(self, name: str) -> Row:
        """The row of that name; KeyError names those that exist."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{self.name} has no row {name!r}; it has {', '.join(row.name for row in self.rows)}")

    def settings(self, row: Row) -> dict[str, Any]:
        """All that decides the outcome of a run but its seed, as JSON gives it back."""
        shared = {"task": self.task, "data": self.data, "epochs": self.epochs, "batch_size": self.batch_size}
        own = {key: value for key, value in asdict(row).items() if key not in ("name", "title", "start")}
        settings: dict[str, Any] = plain(shared | own)
        return settings | ({"start": self.settings(self.row(row.start))} if row.start else {})


def plain(value: Any) -> Any:
    """Tuples as lists, mappings as dicts: what JSON would make of it."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


SEMANTIC = (Column("mean_iou", "mean IoU"), Column("pixel_accuracy", "pixel accuracy"))
AVERAGE_PRECISION = (Column("ap", "mask AP"), Column("ap50", "AP50"), Column("ap75", "AP75"))


UNET = {"in_channels": 3, "base_channels": 8, "padding": "same", "dropout": 0.0}


def semantic_rows(num_classes: int) -> tuple[Row, ...]:
    """The networks of semantic segmentation at laptop width, in the order of the lecture."""
    options = {"num_classes": num_classes}
    fcn = {**options, "width": 8, "window": 1}
    return (
        Row("patches", "patches of 21 × 21", "patch_classifier", {**options, "width": 8}),
        Row("fcn32s", "FCN-32s", "fcn32s", fcn),
        Row("fcn16s", "FCN-16s", "fcn16s", fcn),
        Row("fcn8s", "FCN-8s", "fcn8s", fcn),
        Row("deconvnet", "DeconvNet", "deconvnet", {**options, "width": 8, "window": 3}, learning_rate=5e-3),
        Row("segnet", "SegNet", "segnet", {**options, "width": 8}, learning_rate=5e-3),
        Row("unet", "U-Net", "unet", {**UNET, **options}),
        Row("pspnet", "PSPNet", "pspnet", {**options, "width": 8}, learning_rate=5e-3),
    )


def as_in_the_paper(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The same rows, with FCN-16s going on from FCN-32s and FCN-8s from FCN-16s (Long et al., section 4)."""
    before = {"fcn16s": "fcn32s", "fcn8s": "fcn16s"}
    return tuple(replace(row, start=before.get(row.name, "")) for row in rows)


def loss_rows() -> tuple[Row, ...]:
    """One small U-Net, and every loss of the lecture."""
    unet = {**UNET, "num_classes": 2, "base_channels": 8, "depth": 2}

    def row(name: str, title: str, loss: str = "", **options: Any) -> Row:
        return Row(name, title, "unet", unet, loss or name, options, learning_rate=1e-3)

    return (
        row("cross_entropy", "cross-entropy"),
        row("weighted_cross_entropy", "weighted cross-entropy, 1 : 10", weight=(1.0, 10.0)),
        row("focal_loss", "focal, γ = 2"),
        row("topk_loss", "top 10 %"),
        row("distance_penalized_cross_entropy", "distance-penalised cross-entropy"),
        row("dice_loss", "Dice (pooled, squared: the lecture's)"),
        row("dice_per_class", "Dice (per class, linear)", "dice_loss", squared=False, pooled=False),
        row("iou_loss", "IoU"),
        row("tversky_loss", "Tversky, α 0.3 on FP, β 0.7 on FN", alpha=0.3, beta=0.7),
        row("asymmetric_similarity_loss", "asymmetric similarity, β = 1.5"),
        row("focal_tversky_loss", "focal Tversky"),
        row("generalized_dice_loss", "generalised Dice"),
        row("sensitivity_specificity_loss", "sensitivity-specificity"),
        row("log_cosh_dice_loss", "log-cosh Dice"),
        row("lovasz_softmax_loss", "Lovász-softmax"),
        row("boundary_loss", "boundary, alone"),
        row("dice_and_boundary", "Dice (per class) + boundary"),
        row("hausdorff_loss", "Hausdorff, alone"),
        row("dice_and_hausdorff", "Dice (per class) + Hausdorff"),
        row("combo_loss", "combo"),
        row("dice_ce_loss", "Dice + cross-entropy"),
        row("unified_focal_loss", "unified focal"),
        row("exponential_logarithmic_loss", "exponential-logarithmic"),
    )


def membrane_rows() -> tuple[Row, ...]:
    unet = {**UNET, "num_classes": 2, "in_channels": 1}
    return (
        Row("class-weights", "U-Net, class weights", "unet", unet, task_options={"border": False}),
        Row("border-weights", "U-Net, class and border weights", "unet", unet, task_options={"border": True}),
    )


def instance_rows(num_classes: int, side: int) -> tuple[Row, ...]:
    """Both see pictures of this short side twice as large: else most small objects fall between YOLACT's priors."""
    options = {"num_classes": num_classes, "width": 8}
    rcnn = {**options, **SMALL_RCNN, "min_size": 2 * side, "anchor_sizes": (16, 32, 64, 128, 256)}
    closer = {"enlarge": 2, "anchor_sides": (40, 80, 160, 320, 640)}
    yolact = {**options, "backbone": "resnet50", "group_norm": 4, **closer}
    return (
        Row("mask-rcnn", "Mask R-CNN", "mask_rcnn", rcnn, learning_rate=1e-3),
        Row("yolact", "YOLACT", "yolact", yolact, learning_rate=1e-3),
    )


ENCODER = Row(
    "efficientnet-unet",
    "U-Net on EfficientNet-Lite0, ImageNet",
    "efficientnet_unet",
    {"num_classes": 11, "pretrained": True},
    learning_rate=1e-3,
)
SHIPPED = "One seed: the network ships with the package and is scored as it is stored, in half precision."

ALL = (
    Experiment(
        name="camvid",
        title="CamVid, eleven classes, test set",
        about="All 367 training pictures, shrunk to 72 × 96 pixels, three epochs in batches of four for each row, from "
        "random weights but for the last row; as in the paper FCN-16s goes on from FCN-32s and FCN-8s from FCN-16s, "
        "after six and nine epochs in all (on StreetScenes each starts anew). Scored on the 233 test pictures at that "
        "size. CamVid's validation set shares a video sequence with its training set, so no score of it is shown. The "
        "FCNs' start was chosen after a look at the test scores: in a first seed from random weights with equal epochs "
        "FCN-16s came out below FCN-32s, so this order is that of the paper's longer training, not proof that skips "
        "alone make it. So small a budget fits two busy cores and only begins to tell architectures apart; "
        "published scores come from hundreds of epochs.",
        task="semantic",
        data={"set": "camvid", "size": (72, 96)},
        rows=(*as_in_the_paper(semantic_rows(11)), ENCODER),
        columns=SEMANTIC,
        epochs=3,
        batch_size=4,
    ),
    Experiment(
        name="isbi2012",
        title="ISBI 2012: membranes of neurons",
        about="24 slices to learn from, in turned and mirrored crops of 128 × 128 pixels, six slices of the same "
        "volume to score on. Rand error: adapted Rand error of the cells that the found membranes leave, lower is "
        "better. Merged: true cells a slice that share a found cell with another; split: true cells a slice that no "
        "found cell covers by half. One epoch of 192 steps.",
        task="membranes",
        data={"set": "isbi2012", "size": (128, 128)},
        rows=membrane_rows(),
        columns=(
            Column("rand_error", "Rand error", percent=False, digits=3),
            Column("merged", "merged", percent=False),
            Column("split", "split", percent=False),
            Column("membrane_iou", "membrane IoU"),
            Column("pixel_accuracy", "pixel accuracy"),
        ),
        epochs=1,
        batch_size=2,
    ),
    Experiment(
        name="nuclei",
        title="Nuclei (Data Science Bowl 2018): instances",
        about="Pictures of 256 × 256 pixels, the commonest kind, in crops of 128 × 128: two of each training "
        "picture, the middle of each test picture, four epochs in batches of two. Both networks enlarge a crop to 256 "
        "pixels and have group normalisation. Size, anchors and epochs were chosen on training and validation "
        "pictures, after a first record (one epoch, nothing enlarged) had left YOLACT almost without a hit. Slivers of "
        "fewer than 20 pixels are left out.",
        task="instances",
        data={**NUCLEI, "crops": 2},
        rows=instance_rows(2, side=128),
        columns=AVERAGE_PRECISION,
        epochs=4,
        batch_size=2,
        checkpoints="nuclei",
    ),
    Experiment(
        name="nuclei-pixels",
        title="Nuclei (Data Science Bowl 2018): nucleus or not",
        about="Pictures of 256 × 256 pixels, four crops of 128 × 128 of each to learn from, the middle of others to "
        f"score on. {SHIPPED}",
        task="semantic",
        data=NUCLEI,
        rows=(Row("unet", "U-Net", "unet", {**UNET, "num_classes": 2}),),
        columns=SEMANTIC,
        epochs=1,
        batch_size=2,
        seeds=(0,),
        checkpoints="nuclei",
    ),
    Experiment(
        name="losses",
        title="Every loss of the lecture on one imbalanced task",
        about="Nucleus or not, 7 % of the training pixels: two crops of 64 × 64 pixels of each picture of 256 × 256 to "
        "learn from, one of others to score on. The same small U-Net, batches and schedule for every loss, "
        "one epoch of 237 steps: a loss that finds nothing in it may find something in ten. The task, the one learning "
        "rate, and the Dice per class in the two sums were chosen after a look at test scores, so read the rows as a "
        "demonstration and not as a ranking. Boundary F1 "
        "allows one pixel; AP is the area under the precision-recall curve of all test pixels, which no threshold "
        "decides.",
        task="foreground",
        data={"set": "nuclei", "size": (64, 64), "crops": 2, "positive": (1,)},
        rows=loss_rows(),
        columns=(
            Column("dice", "Dice"),
            Column("iou", "IoU"),
            Column("boundary_f1", "boundary F1"),
            Column("ap", "AP"),
        ),
        epochs=1,
        batch_size=2,
    ),
    Experiment(
        name="streets",
        title="StreetScenes: semantic segmentation",
        about="1000 scenes of 96 × 128 pixels with eleven classes to learn from, 200 others to score on, four epochs. "
        "One seed: these networks ship with the package and are scored as they are stored, in half precision.",
        task="semantic",
        data=STREETS,
        rows=semantic_rows(11),
        columns=SEMANTIC,
        epochs=4,
        batch_size=4,
        seeds=(0,),
        checkpoints="streets",
    ),
    Experiment(
        name="streets-instances",
        title="StreetScenes: instances",
        about="1000 scenes of 96 × 128 pixels to learn from in two epochs, 100 others to score on: signs, cars, "
        "pedestrians and bicyclists of at least 30 pixels. Both networks enlarge a scene to 192 × 256 pixels, "
        "with the settings chosen for nuclei. "
        f"{SHIPPED}",
        task="instances",
        data=STREET_THINGS,
        rows=instance_rows(11, side=96),
        columns=AVERAGE_PRECISION,
        epochs=2,
        batch_size=2,
        seeds=(0,),
        checkpoints="streets",
    ),
    Experiment(
        name="streets-driving",
        title="StreetScenes: cars, road and its edge, by YOLOP",
        about="1000 scenes of 96 × 128 pixels to learn from, 100 others to score on. The scenes have no lane lines: "
        f"the edge of the road is learned in their place. {SHIPPED}",
        task="driving",
        data=STREET_THINGS,
        rows=(Row("yolop", "YOLOP", "yolop", {"num_classes": 1, "width": 8}),),
        columns=(
            Column("box_ap50", "box AP50 of cars"),
            Column("drivable_iou", "road IoU"),
            Column("lane_iou", "edge IoU"),
        ),
        epochs=4,
        seeds=(0,),
        checkpoints="streets",
    ),
    Experiment(
        name="streets-keypoints",
        title="StreetScenes: keypoints of pedestrians",
        about="Scenes of 128 × 160 pixels with pedestrians of twice the usual size, of which at least 60 pixels are "
        "seen; 600 to learn from in fourteen epochs and 100 to score on. OKS: object keypoint similarity of each "
        f"pedestrian's best detection, 0 where there is none. {SHIPPED}",
        task="keypoints",
        data={
            "set": "streets",
            "size": (128, 160),
            "train": 600,
            "test": 100,
            "knobs": {"min_area": 60, "object_size": 2.0},
        },
        rows=(
            Row(
                "keypoint-rcnn",
                "Keypoint R-CNN",
                "keypoint_rcnn",
                {"num_classes": 2, "width": 8, **SMALL_RCNN, "min_size": 128},
            ),
        ),
        columns=(Column("oks", "mean OKS"), Column("oks_above_half", "OKS above 0.5"), Column("box_ap50", "box AP50")),
        epochs=14,
        batch_size=4,
        seeds=(0,),
        checkpoints="streets",
    ),
)

EXPERIMENTS = {experiment.name: experiment for experiment in ALL}
