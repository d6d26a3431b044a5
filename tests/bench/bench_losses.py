"""Every loss, forward and backward, against MONAI or segmentation-models-pytorch."""

import pytest
import torch

from coursekit import losses

monai = pytest.importorskip("monai.losses")
smp = pytest.importorskip("segmentation_models_pytorch.losses")

SIZES = [64, 128, 256]


def pair(side, classes=4, batch=4):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, classes, side, side, generator=generator, requires_grad=True)
    target = torch.randint(0, classes, (batch, side, side), generator=generator)
    return logits, target


SMP = {
    "focal_loss": lambda: smp.FocalLoss("multiclass", ignore_index=255),
    "dice_loss": lambda: smp.DiceLoss("multiclass", ignore_index=255),
    "iou_loss": lambda: smp.JaccardLoss("multiclass"),
    "tversky_loss": lambda: smp.TverskyLoss("multiclass", ignore_index=255, alpha=0.3, beta=0.7),
    "focal_tversky_loss": lambda: smp.TverskyLoss("multiclass", ignore_index=255, alpha=0.3, beta=0.7, gamma=0.75),
    "lovasz_softmax_loss": lambda: smp.LovaszLoss("multiclass", ignore_index=255),
}
MONAI = {
    "focal_loss": lambda: monai.FocalLoss(to_onehot_y=True, use_softmax=True),
    "dice_loss": lambda: monai.DiceLoss(softmax=True, to_onehot_y=True, squared_pred=True),
    "iou_loss": lambda: monai.DiceLoss(softmax=True, to_onehot_y=True, jaccard=True),
    "tversky_loss": lambda: monai.TverskyLoss(softmax=True, to_onehot_y=True, alpha=0.3, beta=0.7),
    "generalized_dice_loss": lambda: monai.GeneralizedDiceLoss(softmax=True, to_onehot_y=True),
    "dice_ce_loss": lambda: monai.DiceCELoss(softmax=True, to_onehot_y=True),
    "unified_focal_loss": monai.AsymmetricUnifiedFocalLoss,
    "hausdorff_loss": lambda: monai.HausdorffDTLoss(softmax=True, to_onehot_y=True),
}


def run(function, logits, target):
    def once():
        logits.grad = None
        function(logits, target).backward()

    return once


@pytest.mark.parametrize("side", SIZES)
@pytest.mark.parametrize("name", SMP)
def test_against_smp(versus, name, side):
    logits, target = pair(side)
    ours, peer = run(getattr(losses, name), logits, target), run(SMP[name](), logits, target)
    versus(name, f"4 × 4 × {side}²", ours, peer, "smp")


@pytest.mark.parametrize("side", SIZES)
@pytest.mark.parametrize("name", MONAI)
def test_against_monai(versus, name, side):
    classes = 2 if name == "unified_focal_loss" else 4
    logits, target = pair(side, classes)
    theirs = MONAI[name]()
    if name == "unified_focal_loss":  # it wants probabilities and a one-hot target

        def peer(logits, target):
            return theirs(logits.softmax(dim=1), torch.nn.functional.one_hot(target, 2).movedim(-1, 1))
    else:

        def peer(logits, target):
            return theirs(logits, target[:, None])

    ours = run(getattr(losses, name), logits, target)
    versus(name, f"4 × {classes} × {side}²", ours, run(peer, logits, target), "MONAI")
