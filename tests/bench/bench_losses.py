"""Every loss, forward and backward.

On logits for the labels of four street scenes of 11 classes (2 for the unified focal loss), in processor time.

A peer is MONAI's or smp's loss of the same formula. Where neither has the loss, "spelled out" is its formula in plain
torch and scipy, without a check of the inputs and without `ignore_index`; "MONAI, then …" is MONAI's loss, finished by
hand. `F.cross_entropy` is the very kernel that `cross_entropy` calls: what the library adds is the check of its inputs
and that a batch in which every pixel is ignored costs 0, where torch gives nan. So that ratio shows the price of these
two and cannot fall below 1.
"""

import functools
import time
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt

from coursekit import losses
from coursekit.data import StreetScenes

monai = pytest.importorskip("monai.losses")
smp = pytest.importorskip("segmentation_models_pytorch.losses")
warnings.filterwarnings("ignore", module="monai")

SIDES = [64, 128, 256]
WEIGHT = torch.linspace(0.5, 1.5, 11)
BUILDING, ROAD = 1, 3


@functools.cache
def pair(side, classes):
    """Logits that are right more often than not, and labels without void, which not every peer can ignore."""
    scenes = StreetScenes(4, side, seed=0)
    target = torch.stack([torch.as_tensor(scenes[i][1]).long() for i in range(4)])
    target[target == 255] = BUILDING
    if classes == 2:
        target = (target == ROAD).long()
    noise = torch.randn(4, classes, side, side, generator=torch.Generator().manual_seed(0))
    return (noise + 2 * F.one_hot(target, classes).movedim(-1, 1)).requires_grad_(), target


def of_monai(loss, **options):
    """MONAI's loss on logits, as it takes class ids: with a channel axis, made one-hot inside."""
    made = getattr(monai, loss)(to_onehot_y=True, **options)
    return lambda logits, target: made(logits, target[:, None])


def of_smp(loss, **options):
    return getattr(smp, loss)("multiclass", **options)


def log_cosh(dice):
    return lambda logits, target: dice(logits, target).cosh().log()


def to_the_three_quarters(loss):
    return lambda logits, target: loss(logits, target) ** 0.75


def asymmetric_unified_focal():
    """MONAI's takes probabilities and a one-hot target."""
    made = monai.AsymmetricUnifiedFocalLoss()
    return lambda logits, target: made(logits.softmax(1), F.one_hot(target, 2).movedim(-1, 1))


def topk(logits, target):
    pixels = F.cross_entropy(logits, target, reduction="none").flatten()
    return pixels.topk(round(0.1 * len(pixels))).values.mean()


def sensitivity_specificity(logits, target, weight=0.1):
    s, g = logits.softmax(1), F.one_hot(target, logits.shape[1]).movedim(-1, 1)
    error = (g - s) ** 2
    missed = (error * g).sum((0, 2, 3)) / g.sum((0, 2, 3)).clamp(min=1)
    false = (error * (1 - g)).sum((0, 2, 3)) / (1 - g).sum((0, 2, 3)).clamp(min=1)
    return (weight * missed + (1 - weight) * false).mean()


def distance_penalized(logits, target):
    masks = F.one_hot(target, logits.shape[1]).movedim(-1, 1).numpy()
    depth = np.zeros(masks.shape, np.float32)
    for picture, out in zip(masks, depth):
        for mask, own in zip(picture, out):
            own[:] = distance_transform_edt(mask) if not mask.all() else 0
    deepest = depth.max((2, 3), keepdims=True)
    edge = ((deepest - depth) / np.maximum(deepest - 1, 1) * masks).sum(1)
    return (F.cross_entropy(logits, target, reduction="none") * (1 + torch.from_numpy(edge))).mean()


def exponential_logarithmic(logits, target):
    s, g = logits.softmax(1), F.one_hot(target, logits.shape[1]).movedim(-1, 1)
    dice = 2 * (s * g).sum((0, 2, 3)) / (s + g).sum((0, 2, 3))
    pixels = F.cross_entropy(logits, target, reduction="none")
    return 0.8 * (-dice.mean().log()) ** 0.3 + 0.2 * ((pixels + 1e-8) ** 0.3).mean()


PEERS = [
    ("cross_entropy", "smp", lambda: smp.SoftCrossEntropyLoss(smooth_factor=0.0, ignore_index=255)),
    ("cross_entropy", "MONAI, focal with γ = 0", lambda: of_monai("FocalLoss", use_softmax=True, gamma=0.0)),
    ("cross_entropy", "torch, the same kernel", lambda: functools.partial(F.cross_entropy, ignore_index=255)),
    (
        "weighted_cross_entropy",
        "MONAI, focal with γ = 0",
        lambda: of_monai("FocalLoss", use_softmax=True, gamma=0.0, weight=WEIGHT),
    ),
    ("focal_loss", "smp", lambda: of_smp("FocalLoss", ignore_index=255)),
    ("focal_loss", "MONAI", lambda: of_monai("FocalLoss", use_softmax=True)),
    ("topk_loss", "spelled out", lambda: topk),
    ("distance_penalized_cross_entropy", "spelled out", lambda: distance_penalized),
    ("dice_loss", "smp", lambda: of_smp("DiceLoss", ignore_index=255)),
    ("dice_loss", "MONAI", lambda: of_monai("DiceLoss", softmax=True, squared_pred=True)),
    ("iou_loss", "smp", lambda: of_smp("JaccardLoss")),
    ("iou_loss", "MONAI", lambda: of_monai("DiceLoss", softmax=True, jaccard=True)),
    ("tversky_loss", "smp", lambda: of_smp("TverskyLoss", ignore_index=255, alpha=0.3, beta=0.7)),
    ("tversky_loss", "MONAI", lambda: of_monai("TverskyLoss", softmax=True, alpha=0.3, beta=0.7)),
    ("asymmetric_similarity_loss", "MONAI", lambda: of_monai("TverskyLoss", softmax=True, alpha=4 / 13, beta=9 / 13)),
    ("focal_tversky_loss", "smp", lambda: of_smp("TverskyLoss", ignore_index=255, alpha=0.3, beta=0.7, gamma=0.75)),
    (
        "focal_tversky_loss",
        "MONAI, then the power",
        lambda: to_the_three_quarters(of_monai("TverskyLoss", softmax=True, alpha=0.3, beta=0.7)),
    ),
    ("generalized_dice_loss", "MONAI", lambda: of_monai("GeneralizedDiceLoss", softmax=True)),
    ("sensitivity_specificity_loss", "spelled out", lambda: sensitivity_specificity),
    ("log_cosh_dice_loss", "smp, then ln cosh", lambda: log_cosh(of_smp("DiceLoss", ignore_index=255))),
    ("log_cosh_dice_loss", "MONAI, then ln cosh", lambda: log_cosh(of_monai("DiceLoss", softmax=True))),
    ("lovasz_softmax_loss", "smp", lambda: of_smp("LovaszLoss", ignore_index=255)),
    ("boundary_loss", "MONAI", lambda: of_monai("BoundaryLoss", softmax=True)),
    ("hausdorff_loss", "MONAI", lambda: of_monai("HausdorffDTLoss", softmax=True, include_background=False)),
    ("combo_loss", "MONAI", lambda: of_monai("DiceCELoss", softmax=True, lambda_dice=0.5, lambda_ce=0.5)),
    ("dice_ce_loss", "MONAI", lambda: of_monai("DiceCELoss", softmax=True)),
    ("unified_focal_loss", "MONAI", asymmetric_unified_focal),
    ("exponential_logarithmic_loss", "spelled out", lambda: exponential_logarithmic),
]


def step(loss, logits, target):
    def run():
        logits.grad = None
        loss(logits, target).backward()

    return run


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("name", "peer_name", "make_peer"), PEERS, ids=[f"{name}, {peer}" for name, peer, _ in PEERS])
def test_loss(versus, name, peer_name, make_peer, side):
    classes = 2 if name == "unified_focal_loss" else 11
    logits, target = pair(side, classes)
    options = {"weight": WEIGHT} if name == "weighted_cross_entropy" else {}
    ours = functools.partial(getattr(losses, name), **options)
    size = f"4 × {classes} × {side}²"
    versus(name, size, step(ours, logits, target), step(make_peer(), logits, target), peer_name, time.process_time)


def test_every_loss_has_a_peer():
    assert {name for name, _, _ in PEERS} == set(losses.__all__) & {n for n in dir(losses) if n.islower()} - {
        "distance_maps",
        "signed_distance",
    }
