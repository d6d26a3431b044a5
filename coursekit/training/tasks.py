"""What a batch, a loss and a score are, for each kind of target.

`task_of` chooses by the first sample. Anything with these four methods can be given to `fit(task=…)` instead.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from coursekit.metrics import AveragePrecision, ConfusionMatrix
from coursekit.training.loading import Batch

AUXILIARY_WEIGHT = 0.4  # PSPNet's (Zhao et al. 2017, section 3.3)


# `loss(logits, target)`, or `loss(logits, *target)` where a set gives a tuple, as with `losses.DistanceMaps`.
Loss = Callable[..., Tensor]


class Task(Protocol):
    """How `fit` deals with a set."""

    def collate(self, samples: list[tuple[int, Any, Any]]) -> Batch:
        """Samples (number, image, target) as a batch."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """What is to be minimised, a mean over the batch's images; the model is in training mode."""

    def score(self, model: nn.Module, batch: Batch, metric: Any) -> Any:
        """`metric` (None for the first batch) with this batch in it; it has `merge` and `compute`."""

    def scores(self, computed: Any) -> dict[str, float]:
        """The numbers to keep of `metric.compute()`; the first one chooses the best epoch."""


def task_of(sample: tuple[Any, Any], model: nn.Module, loss: Loss) -> Task:
    """The task whose samples look like this one."""
    if isinstance(sample[1], dict):
        return Instances()
    return Semantic(loss, getattr(model, "auxiliary_weight", AUXILIARY_WEIGHT))


class Semantic:
    """A label map for each image, first in a tuple where there is more; scored by mean IoU."""

    def __init__(self, loss: Loss, auxiliary_weight: float = AUXILIARY_WEIGHT) -> None:
        self.criterion, self.auxiliary_weight = loss, auxiliary_weight

    def collate(self, samples: list[tuple[int, Any, Any]]) -> Batch:
        indices, images, targets = zip(*samples)
        sizes = {tuple(image.shape) for image in images}
        if len(sizes) > 1:
            raise ValueError(
                f"samples {', '.join(map(str, indices))} are to be one batch but differ in shape, "
                f"{' and '.join(map(str, sorted(sizes)))}: give the set `transforms=data.transforms.train_recipe(size)`"
            )
        target = tuple(map(stacked, zip(*targets))) if isinstance(targets[0], tuple) else stacked(targets)
        return Batch(list(indices), stacked(images), target)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        target = batch.target if isinstance(batch.target, tuple) else (batch.target,)
        logits = model(batch.images)
        if not isinstance(logits, tuple):
            return self.criterion(logits, *target)
        logits, auxiliary = logits
        return self.criterion(logits, *target) + self.auxiliary_weight * self.criterion(auxiliary, *target)

    def score(self, model: nn.Module, batch: Batch, metric: ConfusionMatrix | None) -> ConfusionMatrix:
        logits = model(batch.images)
        metric = metric or ConfusionMatrix(logits.shape[1])
        metric.update(logits, batch.target[0] if isinstance(batch.target, tuple) else batch.target)
        return metric

    def scores(self, computed: Any) -> dict[str, float]:
        return {"mean_iou": computed.mean_iou, "pixel_accuracy": computed.pixel_accuracy}


class Instances:
    """A dict of boxes, labels and masks or keypoints for each image, and a network that brings its own losses.

    In training `model(images, targets)` gives a dict of losses, whose sum is minimised; in evaluation
    `model(images)` gives a list of detections, scored by COCO's average precision: of masks where it draws them,
    of boxes where not. Mask R-CNN, Keypoint R-CNN and YOLACT are such networks.
    """

    def collate(self, samples: list[tuple[int, Any, Any]]) -> Batch:
        indices, images, targets = zip(*samples)
        same = len({image.shape for image in images}) == 1
        return Batch(list(indices), stacked(images) if same else list(images), list(targets))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return torch.stack(list(model(batch.images, batch.target).values())).sum()

    def score(self, model: nn.Module, batch: Batch, metric: AveragePrecision | None) -> AveragePrecision:
        detections = [dict(each) for each in model(batch.images)]
        for each in detections:
            if "masks" in each:
                each["masks"] = each["masks"][:, 0] > 0.5
        metric = metric or AveragePrecision("masks" if "masks" in detections[0] else "boxes")
        metric.update(detections, batch.target)
        return metric

    def scores(self, computed: Any) -> dict[str, float]:
        return {"ap": computed.ap, "ap50": computed.ap50}


def stacked(tensors: Sequence[Any]) -> Tensor:
    """One tensor from several of one size, in shared memory when a worker does it."""
    batch: Tensor = default_collate([torch.as_tensor(each) for each in tensors])
    return batch
