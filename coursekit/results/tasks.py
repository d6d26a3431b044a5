"""What there is to learn: each task keeps its pictures in memory, gives the loss of a batch, scores a model.

`Semantic` a class for each pixel; `Patches` the same, learned from windows
`Membranes` cells apart, with or without U-Net's weights on the borders between them
`Foreground` one small class against the rest
`Instances`, `Keypoints`, `Driving` what the detectors of the lecture learn
"""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from coursekit import data as sets
from coursekit import losses
from coursekit.metrics import AveragePrecision, ConfusionMatrix, boundary_f1, object_keypoint_similarity
from coursekit.models import PatchClassifier, PSPNet
from coursekit.ops import mirror_pad
from coursekit.results import cells
from coursekit.results.experiments import Experiment, Row

TEST_SEED = 1
"""StreetScenes to learn from have seed 0, those to score on this one: they share no scene."""


class Task(Protocol):
    """What `coursekit.results.run` needs to know of a task; `len` is the number of training pictures."""

    def __len__(self) -> int: ...

    def loss(self, model: nn.Module, batch: Int[Tensor, " n"], random: torch.Generator) -> Float[Tensor, ""]:
        """The loss of the training pictures with these numbers, augmented as `random` says."""

    def score(self, model: nn.Module) -> dict[str, Any]:
        """Scores on the test pictures, as plain data."""


def make_task(experiment: Experiment, row: Row) -> Task:
    """The task of a row, its pictures loaded."""
    kinds: dict[str, Callable[[Mapping[str, Any], Row], Task]] = {
        "semantic": Patches if row.model == "patch_classifier" else Semantic,
        "membranes": Membranes,
        "foreground": Foreground,
        "instances": Instances,
        "keypoints": Keypoints,
        "driving": Driving,
    }
    return kinds[experiment.task](experiment.data, row)


Pictures = tuple[UInt8[Tensor, "n c h w"], UInt8[Tensor, "n h w"]]


def load_semantic(data: Mapping[str, Any], split: str) -> Pictures:
    """Every picture and label map of a split in its final size: loaded once, kept as bytes."""
    images, targets = [], []
    for image, target in _semantic_set(data, split):
        images.append((image * 255).round().to(torch.uint8))
        targets.append(target.to(torch.uint8))
    return torch.stack(images), torch.stack(targets)


def _semantic_set(data: Mapping[str, Any], split: str) -> Any:
    size = tuple(data["size"])
    match data["set"]:
        case "streets":
            return _streets(data, split, "semantic")
        case "camvid":
            camvid = sets.CamVid(split=split, transforms=lambda image, mask: _shrink(image, mask, size))
            return (camvid[i] for i in range(len(camvid)))
        case "nuclei":
            return ((image, labels > 0) for image, labels in _nuclei_crops(data, split))
        case name:
            raise ValueError(f"no semantic set is called {name!r}")


def _shrink(image: Tensor, mask: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    small = resize(image, list(size), antialias=True)
    return small, resize(mask[None], list(size), interpolation=InterpolationMode.NEAREST)[0]


def _streets(data: Mapping[str, Any], split: str, task: str) -> Any:
    knobs = data.get("knobs", {})
    seed = 0 if split == "train" else TEST_SEED
    scenes = sets.StreetScenes(data[split], tuple(data["size"]), task, seed=seed, **knobs)
    return (scenes[i] for i in range(len(scenes)))


def _nuclei_crops(data: Mapping[str, Any], split: str) -> Any:
    """Of every picture of 256 × 256 (the commonest kind) pieces of a size: `crops` to learn from, one to score on.

    Each comes as (image, ids), 0 being no nucleus.
    """
    height, width = data["size"]
    nuclei = sets.Nuclei(split=split)
    for number in range(len(nuclei)):
        image, target = nuclei[number]
        if image.shape[-2:] != (256, 256):
            continue
        ids = sets.conversions.ids_from_masks(target["masks"])
        corners = [(0, 0), (128, 128), (0, 128), (128, 0)][: data["crops"]] if split == "train" else [(64, 64)]
        for top, left in corners:
            window = (slice(top, top + height), slice(left, left + width))
            yield image[:, *window], ids[window]


def as_floats(images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    return (images.float() / 255).contiguous(memory_format=torch.channels_last)


def mirror(random: torch.Generator, *maps: Tensor) -> list[Tensor]:
    """Each sample of a batch, with all that belongs to it, mirrored left to right or not."""
    flips = torch.rand(len(maps[0]), generator=random) < 0.5
    return [torch.where(flips.view(-1, *(one.ndim - 1) * [1]), one.flip(-1), one) for one in maps]


class Semantic:
    """A class for each pixel: CamVid, StreetScenes, nuclei. Scored by IoU over the whole test set."""

    def __init__(self, data: Mapping[str, Any], row: Row) -> None:
        self.criterion = LOSSES[row.loss]
        self.options = dict(row.loss_options)
        self.images, self.targets = load_semantic(data, "train")
        self.test = load_semantic(data, "test")

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, batch: Tensor, random: torch.Generator) -> tuple[Float[Tensor, "n c h w"], Int[Tensor, "n h w"]]:
        images, targets = mirror(random, self.images[batch], self.targets[batch])
        return as_floats(images), targets.long()

    def loss(self, model: nn.Module, batch: Tensor, random: torch.Generator) -> Tensor:
        images, targets = self.batch(batch, random)
        logits = model(images)
        if not isinstance(logits, tuple):
            return self.criterion(logits, targets, **self.options)
        main, auxiliary = (self.criterion(one, targets, **self.options) for one in logits)
        return main + PSPNet.auxiliary_weight * auxiliary

    @torch.no_grad()
    def score(self, model: nn.Module) -> dict[str, Any]:
        matrix = None
        for images, targets in zip(self.test[0].split(8), self.test[1].split(8)):
            logits = model(as_floats(images))
            matrix = matrix or ConfusionMatrix(logits.shape[1])
            matrix.update(logits, targets.long())
        assert matrix is not None
        found = matrix.compute()
        return {
            "mean_iou": found.mean_iou,
            "pixel_accuracy": found.pixel_accuracy,
            "mean_accuracy": found.mean_accuracy,
            "iou": [None if isnan(value) else value for value in found.iou.tolist()],
        }


class Patches(Semantic):
    """`Semantic` the naive way: windows around pixels drawn at random, scored as the dense network."""

    windows_per_image = 64

    def loss(self, model: nn.Module, batch: Tensor, random: torch.Generator) -> Tensor:
        assert isinstance(model, PatchClassifier)
        images, targets = self.batch(batch, random)
        padded = mirror_pad(images, model.patch_size // 2)
        count, height, width = targets.shape
        image = torch.arange(count).repeat_interleave(self.windows_per_image)
        row, column = (torch.randint(side, image.shape, generator=random) for side in (height, width))
        reach = torch.arange(model.patch_size)
        windows = padded.movedim(1, -1)[
            image[:, None, None], (row[:, None] + reach)[:, :, None], (column[:, None] + reach)[:, None]
        ]
        logits = model.classify(windows.movedim(-1, 1))
        return self.criterion(logits[..., None, None], targets[image, row, column][:, None, None])

    def score(self, model: nn.Module) -> dict[str, Any]:
        assert isinstance(model, PatchClassifier)
        return super().score(model.as_dense())


class Foreground(Semantic):
    """Some classes (`data["positive"]`) against everything else. Scored as a mask and as a ranking.

    Mean boundary F1 is over the test pictures that hold the class; `ap` is the area under the precision-recall
    curve of all test pixels, ranked by their probability.
    """

    tolerance = 1.0

    def __init__(self, data: Mapping[str, Any], row: Row) -> None:
        super().__init__(data, row)
        self.targets, self.test = self.relabel(data, self.targets), (self.test[0], self.relabel(data, self.test[1]))

    @staticmethod
    def relabel(data: Mapping[str, Any], targets: Tensor) -> Tensor:
        positive = torch.isin(targets, torch.tensor(data["positive"], dtype=torch.uint8))
        return torch.where(targets == 255, targets, positive.to(torch.uint8))

    @torch.no_grad()
    def score(self, model: nn.Module) -> dict[str, Any]:
        margins = torch.cat([model(as_floats(images)).diff(dim=1)[:, 0] for images in self.test[0].split(8)])
        known, truth = self.test[1] != 255, self.test[1] == 1
        found = (margins > 0) & known
        hits = int((found & truth).sum())
        total = int(found.sum()) + int(truth.sum())
        edges = [boundary_f1(*pair, self.tolerance) for pair in zip(found, truth) if pair[1].any()]
        return {
            "dice": 2 * hits / total,
            "iou": hits / (total - hits),
            "boundary_f1": sum(edges) / len(edges),
            "ap": ranking_precision(margins[known], truth[known]),
            "found_share": float(found.sum() / known.sum()),
            "true_share": float(truth.sum() / known.sum()),
        }


def ranking_precision(scores: Float[Tensor, " n"], truth: Tensor) -> float:
    """Average precision of a ranking: the mean, over the positives, of the precision down to each of them."""
    right = truth[scores.argsort(descending=True, stable=True)].double()
    precision = right.cumsum(0) / torch.arange(1, len(right) + 1)
    return float((precision * right).sum() / right.sum())


class Membranes:
    """ISBI 2012: crops of a slice, membrane or cell; with `border` the pixels between two cells weigh more.

    Scored on whole test slices: as pixels, and by what is left of the cells (`coursekit.results.cells`).
    """

    crops_per_slice = 16

    def __init__(self, data: Mapping[str, Any], row: Row) -> None:
        self.size: int = data["size"][0]
        train, test = (sets.ISBI2012(split=split) for split in ("train", "test"))
        self.images, self.targets = stacked(train)
        self.test_images, self.test_targets = stacked(test)
        self.weights = cells.class_weights(self.targets)[self.targets]
        if row.task_options["border"]:
            self.weights += torch.stack([cells.border_weights(cells.label(target == 0)) for target in self.targets])

    def __len__(self) -> int:
        return len(self.images) * self.crops_per_slice

    def loss(self, model: nn.Module, batch: Tensor, random: torch.Generator) -> Tensor:
        crops = [self.crop(int(number) % len(self.images), random) for number in batch]
        images, targets, weights = mirror(random, *(torch.stack(each) for each in zip(*crops)))
        pixels = losses.cross_entropy(model(images), targets, reduction="none")
        return (pixels * weights).mean()

    def crop(self, number: int, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """A piece of a slice, turned by a multiple of 90 degrees: tissue has no up."""
        top, left = (int(torch.randint(side - self.size + 1, (), generator=random)) for side in self.images.shape[-2:])
        turns = int(torch.randint(4, (), generator=random))
        window = (..., slice(top, top + self.size), slice(left, left + self.size))
        image, target, weight = (each[number][window] for each in (self.images, self.targets, self.weights))
        return image.rot90(turns, (-2, -1)), target.rot90(turns, (-2, -1)), weight.rot90(turns, (-2, -1))

    @torch.no_grad()
    def score(self, model: nn.Module) -> dict[str, Any]:
        matrix = ConfusionMatrix(2)
        shares = []
        for image, target in zip(self.test_images, self.test_targets):
            found = model(image[None]).argmax(dim=1)
            matrix.update(found, target[None])
            shares.append(cells.compare(cells.label(found[0] == 0), cells.label(target == 0)))
        scores = matrix.compute()
        return {
            "membrane_iou": float(scores.iou[1]),
            "pixel_accuracy": scores.pixel_accuracy,
            **{key: sum(share[key] for share in shares) / len(shares) for key in shares[0]},
        }


def stacked(slices: sets.ISBI2012) -> tuple[Float[Tensor, "n 1 h w"], Int[Tensor, "n h w"]]:
    """All slices, grey, and all label maps."""
    images, targets = zip(*(slices[i] for i in range(len(slices))))
    return torch.stack(images).as_subclass(Tensor)[:, :1], torch.stack(targets).as_subclass(Tensor)


Target = dict[str, Tensor]


class Instances:
    """Boxes, classes and masks of things, for Mask R-CNN and YOLACT. Scored by the AP of masks."""

    street_task = "instance"

    def __init__(self, data: Mapping[str, Any], row: Row) -> None:
        self.stacked = row.model in ("yolact", "yolop")
        self.train = self.load(data, "train")
        self.test = self.load(data, "test")

    def load(self, data: Mapping[str, Any], split: str) -> list[tuple[Tensor, Target]]:
        if data["set"] == "nuclei":
            samples: Any = ((image, nuclei_of(ids)) for image, ids in _nuclei_crops(data, split))
        else:
            samples = _streets(data, split, self.street_task)
        kept = [(image, self.target_of(target)) for image, target in samples]
        return [(image, target) for image, target in kept if len(target["labels"])]

    def target_of(self, target: Target) -> Target:
        return {key: target[key].as_subclass(Tensor) for key in ("boxes", "labels", "masks")}

    def __len__(self) -> int:
        return len(self.train)

    def loss(self, model: nn.Module, batch: Tensor, random: torch.Generator) -> Tensor:
        chosen = [self.augment(*self.train[int(number)], random) for number in batch]
        images, targets = zip(*chosen)
        found: dict[str, Tensor] = model(self.collate(images), targets)
        return torch.stack(list(found.values())).sum()

    def augment(self, image: Tensor, target: Target, random: torch.Generator) -> tuple[Tensor, Target]:
        if torch.rand((), generator=random) < 0.5:
            return image, target
        x1, y1, x2, y2 = target["boxes"].unbind(dim=1)
        boxes = torch.stack((image.shape[-1] - x2, y1, image.shape[-1] - x1, y2), dim=1)
        return image.flip(-1), {**target, "boxes": boxes, "masks": target["masks"].flip(-1)}

    def collate(self, images: Sequence[Tensor]) -> Any:
        return torch.stack(list(images)) if self.stacked else list(images)

    @torch.no_grad()
    def score(self, model: nn.Module) -> dict[str, Any]:
        precision = AveragePrecision("masks")
        for image, target in self.test:
            found = model(self.collate([image]))[0]
            masks = (found["masks"][:, 0] > 0.5) if len(found["masks"]) else target["masks"][:0]
            precision.update([{**found, "masks": masks}], [target])
        scores = precision.compute()
        return {
            "ap": scores.ap,
            "ap50": scores.ap50,
            "ap75": scores.ap75,
            "per_class": {str(label): value for label, value in scores.per_class.items() if not isnan(value)},
        }


def nuclei_of(ids: Int[Tensor, "h w"], smallest: int = 20) -> Target:
    """The nuclei of a crop; slivers of fewer than `smallest` pixels at its border are left out."""
    target = sets.conversions.instances_from_ids(ids)
    keep = target["masks"].sum((1, 2)) >= smallest
    return {key: target[key][keep] for key in ("boxes", "labels", "masks")}


class Keypoints(Instances):
    """Seventeen keypoints of each pedestrian. Scored by object keypoint similarity.

    `found` is the share of pedestrians that some detection overlaps by half, `oks` the mean similarity of the
    best such detection, 0 where there is none.
    """

    street_task = "keypoints"

    def target_of(self, target: Target) -> Target:
        one_class = torch.ones_like(target["labels"])
        keys = ("boxes", "masks", "keypoints")
        return {key: target[key].as_subclass(Tensor) for key in keys} | {"labels": one_class}

    def augment(self, image: Tensor, target: Target, random: torch.Generator) -> tuple[Tensor, Target]:
        return image, target  # left and right would have to change names

    @torch.no_grad()
    def score(self, model: nn.Module) -> dict[str, Any]:
        best: list[Tensor] = []
        precision = AveragePrecision("boxes")
        for image, target in self.test:
            found = model([image])[0]
            precision.update([found], [target])
            area = target["masks"].sum((1, 2)).float()
            similar = object_keypoint_similarity(found["keypoints"], target["keypoints"], area)
            none = similar.new_zeros(1, len(area))
            best.append(torch.cat((similar, none)).nan_to_num().amax(dim=0))
        oks = torch.cat(best)
        scores = precision.compute()
        return {"oks": float(oks.mean()), "oks_above_half": float((oks > 0.5).float().mean()), "box_ap50": scores.ap50}


class Driving(Instances):
    """YOLOP's three tasks on StreetScenes: cars, the road to drive on, and its edge in the place of lane lines."""

    street_task = "panoptic"
    car, road = 8, 3

    def target_of(self, target: Target) -> Target:
        categories = {info["id"]: info["category_id"] for info in target["segments_info"]}
        ids = target["ids"].as_subclass(Tensor)
        cars = [ids == number for number, category in categories.items() if category == self.car]
        masks = torch.stack(cars) if cars else ids.new_zeros(0, *ids.shape, dtype=torch.bool)
        road = torch.isin(ids, torch.tensor([n for n, category in categories.items() if category == self.road]))
        return {
            "boxes": sets.conversions.boxes_from_masks(masks).as_subclass(Tensor),
            "labels": torch.ones(len(masks), dtype=torch.int64),
            "masks": masks,
            "drivable": road.long(),
            "lane": edge(road).long(),
        }

    def augment(self, image: Tensor, target: Target, random: torch.Generator) -> tuple[Tensor, Target]:
        flipped, moved = super().augment(image, target, random)
        if flipped is image:
            return image, target
        return flipped, {**moved, "drivable": target["drivable"].flip(-1), "lane": target["lane"].flip(-1)}

    @torch.no_grad()
    def score(self, model: nn.Module) -> dict[str, Any]:
        precision = AveragePrecision("boxes")
        matrices = {"drivable": ConfusionMatrix(2), "lane": ConfusionMatrix(2)}
        for image, target in self.test:
            found = model(image[None])
            precision.update(found["detections"], [target])
            for name, matrix in matrices.items():
                matrix.update(found[name], target[name][None])
        iou = {f"{name}_iou": float(matrix.compute().iou[1]) for name, matrix in matrices.items()}
        return {"box_ap50": precision.compute().ap50, **iou}


def edge(mask: Tensor) -> Tensor:
    """The mask's pixels that have a pixel outside of it beside them; the picture's border is no edge."""
    outside = F.pad((~mask)[None, None].float(), (1, 1, 1, 1))
    return mask & (F.max_pool2d(outside, 3, stride=1)[0, 0] > 0)


def dice_and_boundary(logits: Tensor, target: Tensor) -> Tensor:
    """The boundary loss beside a region loss, as its authors use it: alone it leads nowhere."""
    return class_mean_dice(logits, target) + 0.1 * losses.boundary_loss(logits, target)


def dice_and_hausdorff(logits: Tensor, target: Tensor) -> Tensor:
    """The Hausdorff loss beside a region loss, as its authors use it, scaled to about the same size."""
    return class_mean_dice(logits, target) + 0.01 * losses.hausdorff_loss(logits, target)


def class_mean_dice(logits: Tensor, target: Tensor) -> Tensor:
    return losses.dice_loss(logits, target, squared=False, pooled=False)


LOSSES: dict[str, Any] = {name: getattr(losses, name) for name in losses.__all__ if name.endswith(("_loss", "entropy"))}
LOSSES |= {"dice_and_boundary": dice_and_boundary, "dice_and_hausdorff": dice_and_hausdorff}
