"""Faster R-CNN on a feature pyramid, the detector below Mask R-CNN and Keypoint R-CNN.

Ren et al., *Faster R-CNN*, NeurIPS 2015; Lin et al., *Feature pyramid networks*, CVPR 2017. Parameters carry
the names of torchvision's ``fasterrcnn_resnet50_fpn``.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from coursekit.models.fpn import FPN
from coursekit.models.resnet import NormLayer, ResNet
from coursekit.models.roi_heads import RoIHeads
from coursekit.models.rpn import RegionProposalNetwork

Size = tuple[int, int]  # height, width

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
STRIDE = 32  # of the deepest map: a batch is padded to a multiple of it


class FasterRCNN(nn.Module):
    """Images in; boxes, labels and scores out, or in training the losses of proposals and detections.

    `model(images)` takes a list of float tensors (C, H, W) in [0, 1], of any sizes, and gives for each a dict
    of `boxes` (N, 4) as x1, y1, x2, y2 in pixels of that image, `labels` (N,) and `scores` (N,), best first.
    In training `model(images, targets)` takes for each image a dict of `boxes` (G, 4) and `labels` (G,) int64
    in 1 … num_classes − 1 (0 is the background; G may be 0), and gives a dict of losses to be summed:
    `loss_classifier`, `loss_box_reg`, `loss_objectness`, `loss_rpn_box_reg`.

    Each image is normalised by `image_mean` and `image_std` (ImageNet's) and resized so that its short side
    is `min_size` and its long side no more than `max_size`; of several `min_size` training draws one for each
    image and evaluation takes the last. `anchor_sizes` has one side for each level P2 … P6. The options from
    `rpn_pre_nms_top_n_train` on have torchvision's names, meaning and values.

    `depth` and `width` are those of the ResNet; the pyramid has 4 · `width` channels and the box head
    16 · `width`. For pictures of 128 pixels on a laptop, `width=16, min_size=128,
    anchor_sizes=(8, 16, 32, 64, 128), norm=partial(nn.GroupNorm, 4)` will do: in batches of one or two images
    group normalisation is steadier than batch normalisation, whose running means trail what training saw. To
    fine-tune trained weights, freeze them with `norm=FrozenBatchNorm2d` of torchvision (its COCO weights were
    made with `partial(FrozenBatchNorm2d, eps=0.0)`).

    Raises ValueError or TypeError for images or targets of a wrong shape or type, for a missing part of a
    target, a box without area and a label out of range.
    """

    target_keys: tuple[str, ...] = ("boxes", "labels")

    def __init__(
        self,
        num_classes: int = 91,
        *,
        depth: int = 50,
        width: int = 64,
        norm: NormLayer = nn.BatchNorm2d,
        in_channels: int = 3,
        min_size: int | Sequence[int] = 800,
        max_size: int = 1333,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
        anchor_sizes: Sequence[float] = (32, 64, 128, 256, 512),
        rpn_pre_nms_top_n_train: int = 2000,
        rpn_pre_nms_top_n_test: int = 1000,
        rpn_post_nms_top_n_train: int = 2000,
        rpn_post_nms_top_n_test: int = 1000,
        rpn_batch_size_per_image: int = 256,
        box_score_thresh: float = 0.05,
        box_nms_thresh: float = 0.5,
        box_detections_per_img: int = 100,
        box_batch_size_per_image: int = 512,
        make_roi_heads: Callable[..., RoIHeads] = RoIHeads,
    ) -> None:
        super().__init__()
        if len(anchor_sizes) != 5:
            raise ValueError(f"anchor_sizes needs one side for each level P2 … P6, got {tuple(anchor_sizes)}")
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.min_size = (min_size,) if isinstance(min_size, int) else tuple(min_size)
        self.max_size = max_size
        colour = in_channels == 3
        self.image_mean = image_mean or (IMAGENET_MEAN if colour else (0.449,) * in_channels)
        self.image_std = image_std or (IMAGENET_STD if colour else (0.226,) * in_channels)

        body = ResNet(depth, width, norm, in_channels=in_channels)
        fpn = FPN(body.out_channels, 4 * width, extra=[nn.MaxPool2d(1, stride=2)])
        self.backbone = nn.Sequential(OrderedDict(body=body, fpn=fpn))
        self.rpn = RegionProposalNetwork(
            4 * width,
            anchor_sizes,
            pre_nms=(rpn_pre_nms_top_n_train, rpn_pre_nms_top_n_test),
            post_nms=(rpn_post_nms_top_n_train, rpn_post_nms_top_n_test),
            samples_per_image=rpn_batch_size_per_image,
        )
        self.roi_heads = make_roi_heads(
            4 * width,
            16 * width,
            num_classes,
            samples_per_image=box_batch_size_per_image,
            score_threshold=box_score_thresh,
            nms_threshold=box_nms_thresh,
            detections_per_image=box_detections_per_img,
        )
        self.register_load_state_dict_pre_hook(_use_current_names)

    def forward(
        self,
        images: Sequence[Float[Tensor, "c _ _"]],
        targets: Sequence[dict[str, Tensor]] | None = None,
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        self.check_images(images)
        if not self.training:
            targets = None
        elif targets is None or len(targets) != len(images):
            seen = "none" if targets is None else len(targets)
            raise ValueError(
                f"training needs a target for each of {len(images)} images, got {seen}; "
                "to predict, call model.eval() first"
            )
        else:
            for i, (target, image) in enumerate(zip(targets, images, strict=True)):
                self.check_target(f"targets[{i}]", target, size_of(image))

        resized = [self.resize_image(self.normalise(image)) for image in images]
        sizes, new_sizes = [size_of(image) for image in images], [size_of(image) for image in resized]
        batch = pad_to_batch(resized)
        features = self.backbone(batch)
        if targets is None:
            proposals, _ = self.rpn(batch, new_sizes, features)
            detections = self.roi_heads.detect(features, proposals, new_sizes)
            return [self.restore(*each) for each in zip(detections, new_sizes, sizes, strict=True)]

        goals = [self.resize_target(*each) for each in zip(targets, sizes, new_sizes, strict=True)]
        proposals, losses = self.rpn(batch, new_sizes, features, goals)
        return self.roi_heads.losses(features, proposals, goals) | losses

    def normalise(self, image: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
        mean, std = image.new_tensor(self.image_mean), image.new_tensor(self.image_std)
        return (image - mean[:, None, None]) / std[:, None, None]

    def resize_image(self, image: Float[Tensor, "c h w"]) -> Float[Tensor, "c h2 w2"]:
        choice = int(torch.rand(()) * len(self.min_size)) if self.training else -1
        height, width = size_of(image)
        scale = min(self.min_size[choice] / min(height, width), self.max_size / max(height, width))
        new_size = (max(1, int(height * scale)), max(1, int(width * scale)))
        return F.interpolate(image[None], size=new_size, mode="bilinear")[0]

    def resize_target(self, target: dict[str, Tensor], size: Size, new_size: Size) -> dict[str, Tensor]:
        """The target of an image of `size` for the same image at `new_size`."""
        return {"boxes": rescale(target["boxes"], size, new_size), "labels": target["labels"]}

    def restore(self, detection: dict[str, Tensor], size: Size, new_size: Size) -> dict[str, Tensor]:
        """What was detected in an image of `size`, in the image's own pixels, of which it has `new_size`."""
        return detection | {"boxes": rescale(detection["boxes"], size, new_size)}

    def check_images(self, images: Sequence[Tensor]) -> None:
        if len(images) == 0:
            raise ValueError("images is empty: the model needs at least one image")
        for i, image in enumerate(images):
            if image.ndim != 3 or image.shape[0] != self.in_channels or image.numel() == 0:
                raise ValueError(f"images[{i}] must have shape ({self.in_channels}, H, W), got {tuple(image.shape)}")
            if not image.is_floating_point():
                raise TypeError(f"images[{i}] must be float in [0, 1], got {image.dtype}: divide by 255?")

    def check_target(self, name: str, target: dict[str, Tensor], size: Size) -> None:
        """Raise unless the target, called `name` in messages, fits the model and an image of `size`."""
        missing = [key for key in self.target_keys if key not in target]
        if missing:
            raise ValueError(f"{name} lacks {missing}: training needs {list(self.target_keys)}")
        boxes, labels = target["boxes"], target["labels"]
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"{name}['boxes'] must have shape (G, 4), got {tuple(boxes.shape)}")
        if labels.shape != boxes.shape[:1] or labels.dtype != torch.int64:
            raise ValueError(
                f"{name}['labels'] must be int64 of shape ({len(boxes)},), one a box, "
                f"got {labels.dtype} of shape {tuple(labels.shape)}"
            )
        flat = (boxes[:, 2:] <= boxes[:, :2]).any(dim=1)
        if flat.any():
            raise ValueError(f"{name}['boxes'] has a box without area, {boxes[flat][0].tolist()}")
        strange = (labels < 1) | (labels >= self.num_classes)
        if strange.any():
            raise ValueError(
                f"{name}['labels'] has {labels[strange][0].item()}, outside 1 … {self.num_classes - 1} "
                "(0 is the background)"
            )


def size_of(image: Tensor) -> Size:
    return image.shape[-2], image.shape[-1]


def rescale(points: Float[Tensor, "*n d"], size: Size, new_size: Size) -> Float[Tensor, "*n d"]:
    """Boxes (…, 4) or points (…, 2) of an image of `size` in the pixels of the same image at `new_size`."""
    points = points if points.is_floating_point() else points.float()
    scale = points.new_tensor([new_size[1] / size[1], new_size[0] / size[0]])
    return (points.unflatten(-1, (-1, 2)) * scale).flatten(-2)


def pad_to_batch(images: Sequence[Float[Tensor, "c _ _"]]) -> Float[Tensor, "n c h w"]:
    """One batch: zeros to the right and below, up to the largest size, rounded up to the stride."""
    height, width = (math.ceil(max(image.shape[axis] for image in images) / STRIDE) * STRIDE for axis in (1, 2))
    return torch.stack([F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1])) for image in images])


# Weights that torchvision published before it nested these convolutions still have the older names.
RENAMED = (
    (r"(fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)$", r"\1.0.\2"),
    (r"(rpn\.head\.conv)\.(weight|bias)$", r"\1.0.0.\2"),
    *((rf"(mask_head)\.mask_fcn{i + 1}\.", rf"\1.{i}.0.") for i in range(4)),
)


def _use_current_names(model: nn.Module, state_dict: dict[str, Any], *_: Any) -> None:
    for name in list(state_dict):
        current = name
        for old, new in RENAMED:
            current = re.sub(old, new, current)
        state_dict[current] = state_dict.pop(name)
