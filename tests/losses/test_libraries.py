"""Against torch, torchvision, MONAI and smp: equal where they mean the same, else the difference, and its reason."""

import warnings

import monai.losses as monai
import pytest
import segmentation_models_pytorch.losses as smp
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from coursekit import losses

ONE_HOT = {"softmax": True, "to_onehot_y": True}
UNSMOOTHED = {**ONE_HOT, "batch": True, "smooth_nr": 0.0, "smooth_dr": 0.0}  # MONAI's default is 1e-5
LINEAR_MEAN = {"squared": False, "pooled": False}


@pytest.fixture(params=[0, 1], ids=["3 classes", "2 classes"])
def batch(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """Random logits and a target in blocks, each class present in each picture."""
    generator = torch.Generator().manual_seed(request.param)
    classes = 3 - request.param
    target = torch.randint(0, classes, (2, 4, 5), generator=generator)
    target.flatten(1)[:, :classes] = torch.arange(classes)
    target = target.repeat_interleave(3, 1).repeat_interleave(2, 2)
    return 2 * torch.randn(2, classes, 12, 10, generator=generator), target


def two_classes(foreground: list[float], target: list[int]) -> tuple[Tensor, Tensor]:
    s = torch.tensor(foreground)
    return torch.stack([1 - s, s]).log()[None, :, None], torch.tensor(target)[None, None]


A = two_classes([0.9, 0.4, 0.3, 0.2], [1, 1, 0, 0])
B = two_classes([0.6, 0.3, 0.2, 0.1], [1, 0, 0, 0])
C = (
    torch.tensor([[0.8, 0.7, 0.6, 0.9], [0.1, 0.2, 0.3, 0.05], [0.1, 0.1, 0.1, 0.05]]).log()[None, :, None],
    torch.tensor([0, 0, 1, 0])[None, None],
)


def channel(target: Tensor) -> Tensor:
    """MONAI's target has a channel axis."""
    return target.unsqueeze(1)


# Cross-entropy


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_is_torch_s(batch: tuple[Tensor, Tensor], reduction: str) -> None:
    logits, target = batch
    target = target.masked_fill(target == 1, 255)
    expected = F.cross_entropy(logits, target, ignore_index=255, reduction=reduction)
    torch.testing.assert_close(losses.cross_entropy(logits, target, reduction=reduction), expected)


def test_cross_entropy_differs_torch_is_nan_where_everything_is_ignored() -> None:
    nothing = torch.full_like(A[1], 255)
    assert F.cross_entropy(A[0], nothing, ignore_index=255).isnan()
    assert losses.cross_entropy(A[0], nothing) == 0


def test_weighted_cross_entropy_differs_torch_divides_by_the_sum_of_the_weights(batch: tuple[Tensor, Tensor]) -> None:
    logits, target = batch
    weight = torch.tensor([1.0, 3.0, 0.5])[: logits.shape[1]]
    theirs = F.cross_entropy(logits, target, weight)
    ours = losses.weighted_cross_entropy(logits, target, weight=weight)
    torch.testing.assert_close(ours, theirs * weight[target].mean())
    assert F.cross_entropy(*A, torch.tensor([1.0, 3.0])).item() == pytest.approx(0.4555965, abs=1e-6)
    torch.testing.assert_close(  # here torch agrees: a positive weight does not enter its denominator
        losses.weighted_cross_entropy(*A, weight=[1, 3]),
        F.binary_cross_entropy_with_logits(A[0][:, 1] - A[0][:, 0], A[1].float(), pos_weight=torch.tensor(3.0)),
    )


def test_dice_ce_is_monai_s(batch: tuple[Tensor, Tensor]) -> None:
    logits, target = batch
    expected = monai.DiceCELoss(**UNSMOOTHED)(logits, channel(target))
    torch.testing.assert_close(losses.dice_ce_loss(logits, target), expected)


def test_dice_ce_differs_monai_given_probabilities_takes_the_softmax_twice() -> None:
    theirs = monai.DiceCELoss(to_onehot_y=True, lambda_dice=0.0)(A[0].softmax(1), channel(A[1]))
    assert theirs.item() == pytest.approx(0.52994, abs=1e-5)
    assert losses.cross_entropy(*A).item() == pytest.approx(0.4003674, abs=1e-6)


# Focal loss: the sigmoid of x is the softmax of (0, x)


def test_focal_loss_is_that_of_torchvision_monai_and_smp_on_one_channel() -> None:
    x = torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    target = (torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(1)) > 0.5).long()
    ours = losses.focal_loss(torch.cat([torch.zeros_like(x), x], 1), target)
    binary = channel(target).float()
    torch.testing.assert_close(ours, sigmoid_focal_loss(x, binary, alpha=-1, reduction="mean"))
    torch.testing.assert_close(ours, monai.FocalLoss()(x, binary))
    torch.testing.assert_close(ours, smp.FocalLoss("binary")(x, binary))
    weighted = losses.focal_loss(torch.cat([torch.zeros_like(x), x], 1), target, alpha=[0.75, 0.25])
    torch.testing.assert_close(weighted, sigmoid_focal_loss(x, binary, reduction="mean"))


def test_focal_loss_differs_torchvision_s_default_weighs_and_does_not_reduce() -> None:
    x = (A[0][:, 1] - A[0][:, 0]).unsqueeze(1)
    theirs = sigmoid_focal_loss(x, channel(A[1]).float())
    assert theirs.shape == x.shape
    assert theirs.mean().item() == pytest.approx(0.0283749, abs=1e-6)


def test_focal_loss_differs_monai_s_softmax_form_averages_over_the_classes_too(batch: tuple[Tensor, Tensor]) -> None:
    logits, target = batch
    theirs = monai.FocalLoss(use_softmax=True, to_onehot_y=True)(logits, channel(target))
    torch.testing.assert_close(losses.focal_loss(logits, target), theirs * logits.shape[1])


def test_focal_loss_differs_smp_s_multiclass_form_takes_a_sigmoid_of_each_class() -> None:
    assert smp.FocalLoss("multiclass")(*A).item() == pytest.approx(0.1861725, abs=1e-6)
    assert losses.focal_loss(*A).item() == pytest.approx(0.0929862, abs=1e-6)


# Dice and IoU


@pytest.mark.parametrize("squared", [True, False])
def test_class_mean_dice_is_monai_s(batch: tuple[Tensor, Tensor], squared: bool) -> None:
    logits, target = batch
    expected = monai.DiceLoss(**UNSMOOTHED, squared_pred=squared)(logits, channel(target))
    ours = losses.dice_loss(logits, target, squared=squared, pooled=False)
    torch.testing.assert_close(ours, expected)


def test_class_mean_dice_and_iou_are_smp_s(batch: tuple[Tensor, Tensor]) -> None:
    logits, target = batch
    target = target.clone()
    target[0, 0] = 255
    torch.testing.assert_close(
        losses.dice_loss(logits, target, **LINEAR_MEAN), smp.DiceLoss("multiclass", ignore_index=255)(logits, target)
    )
    logits, target = batch
    torch.testing.assert_close(
        losses.iou_loss(logits, target, pooled=False), smp.JaccardLoss("multiclass")(logits, target)
    )


def test_class_mean_iou_is_monai_s(batch: tuple[Tensor, Tensor]) -> None:
    logits, target = batch
    expected = monai.DiceLoss(**UNSMOOTHED, jaccard=True)(logits, channel(target))
    torch.testing.assert_close(losses.iou_loss(logits, target, pooled=False), expected)


def test_foreground_dice_is_monai_s(batch: tuple[Tensor, Tensor]) -> None:
    logits, target = batch
    expected = monai.DiceLoss(**UNSMOOTHED, include_background=False)(logits, channel(target))
    ours = losses.dice_loss(logits, target, include_background=False, **LINEAR_MEAN)
    torch.testing.assert_close(ours, expected)


def test_dice_differs_no_library_pools_the_classes() -> None:
    mean = monai.DiceLoss(**UNSMOOTHED, squared_pred=True)(A[0], channel(A[1])).item()
    assert mean == pytest.approx(0.1520737, abs=1e-6)
    assert losses.dice_loss(*A).item() == pytest.approx(0.1515152, abs=1e-6)


def test_dice_differs_monai_s_default_is_a_mean_over_pictures() -> None:
    """One picture right, one with its only pixel missed: 0.5; over the batch, as here and in smp, 0.2."""
    target = torch.tensor([[[1, 1, 0]], [[1, 0, 0]]])
    found = torch.tensor([[[1, 1, 0]], [[0, 0, 0]]])
    logits = 100 * F.one_hot(found, 2).movedim(-1, 1).float()
    pictures, batch = (
        monai.DiceLoss(**ONE_HOT, include_background=False, batch=b)(logits, channel(target)).item()
        for b in (False, True)
    )
    assert pictures == pytest.approx(0.5, abs=1e-4)
    assert batch == pytest.approx(0.2, abs=1e-4)
    ours = losses.dice_loss(logits, target, include_background=False, **LINEAR_MEAN)
    assert ours.item() == pytest.approx(0.2)
    both = losses.dice_loss(logits, target, **LINEAR_MEAN)
    torch.testing.assert_close(both, smp.DiceLoss("multiclass")(logits, target))


def test_dice_differs_an_absent_class_is_left_out_here_0_in_smp_and_1_in_monai() -> None:
    ours = losses.dice_loss(*C, **LINEAR_MEAN).item()
    assert ours == pytest.approx(0.4181818, abs=1e-6)
    assert smp.DiceLoss("multiclass")(*C).item() == pytest.approx(ours * 2 / 3, abs=1e-6)
    theirs = monai.DiceLoss(**ONE_HOT)(C[0], channel(C[1])).item()
    assert theirs == pytest.approx((2 * ours + 1) / 3, abs=1e-4)


def test_dice_differs_an_empty_mask_costs_nothing_here_and_everything_in_monai() -> None:
    logits, empty = A[0], torch.zeros_like(A[1])
    foreground = {"include_background": False}
    assert losses.dice_loss(logits, empty, **LINEAR_MEAN, **foreground) == 0
    assert monai.DiceLoss(**ONE_HOT, **foreground)(logits, channel(empty)).item() == pytest.approx(1, abs=1e-4)


# Tversky and its relatives


@pytest.mark.parametrize(("alpha", "beta"), [(0.3, 0.7), (0.7, 0.3), (1.0, 1.0)])
def test_tversky_is_monai_s_and_smp_s(batch: tuple[Tensor, Tensor], alpha: float, beta: float) -> None:
    logits, target = batch
    ours = losses.tversky_loss(logits, target, alpha=alpha, beta=beta)
    theirs = monai.TverskyLoss(**UNSMOOTHED, alpha=alpha, beta=beta)(logits, channel(target))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(ours, smp.TverskyLoss("multiclass", alpha=alpha, beta=beta)(logits, target))


def test_focal_tversky_differs_smp_s_gamma_is_the_exponent_and_of_the_mean() -> None:
    theirs = smp.TverskyLoss("multiclass", alpha=0.3, beta=0.7, gamma=0.75)(*A).item()
    assert theirs == pytest.approx(losses.tversky_loss(*A).item() ** 0.75, abs=1e-6)
    assert theirs == pytest.approx(0.4062422, abs=1e-6)
    assert losses.focal_tversky_loss(*A).item() == pytest.approx(0.4058869, abs=1e-6)


def test_generalized_dice_is_monai_s_where_every_class_is_present(batch: tuple[Tensor, Tensor]) -> None:
    logits, target = batch
    theirs = monai.GeneralizedDiceLoss(**UNSMOOTHED)(logits, channel(target))
    torch.testing.assert_close(losses.generalized_dice_loss(logits, target), theirs)
    assert monai.GeneralizedDiceLoss(**ONE_HOT)(B[0], channel(B[1])).item() == pytest.approx(25 / 64, abs=1e-5)


def test_generalized_dice_differs_monai_gives_an_absent_class_the_greatest_weight() -> None:
    empty = torch.zeros_like(B[1])
    theirs = monai.GeneralizedDiceLoss(**ONE_HOT)(B[0], channel(empty)).item()
    assert theirs == pytest.approx(1 - 2 * 2.8 / (2.8 + 1.2 + 4), abs=1e-4)
    assert losses.generalized_dice_loss(B[0], empty).item() == pytest.approx(1 - 2 * 2.8 / (2.8 + 4))


# Lovász-softmax


@pytest.mark.parametrize("ignored", [False, True], ids=["all valid", "some ignored"])
def test_lovasz_softmax_is_smp_s(batch: tuple[Tensor, Tensor], ignored: bool) -> None:
    logits, target = batch
    target = target.clone()
    if ignored:
        target[:, :3] = 255
    theirs = smp.LovaszLoss("multiclass", ignore_index=255)(logits, target)
    torch.testing.assert_close(losses.lovasz_softmax_loss(logits, target), theirs)


def test_lovasz_softmax_differs_smp_s_binary_form_is_the_hinge() -> None:
    x = (A[0][:, 1] - A[0][:, 0]).unsqueeze(1)
    assert smp.LovaszLoss("binary")(x, A[1]).item() == pytest.approx(0.7281829, abs=1e-6)
    assert losses.lovasz_softmax_loss(*A, include_background=False).item() == pytest.approx(0.3916667, abs=1e-6)


# Boundary and Hausdorff


def test_boundary_loss_is_monai_s(batch: tuple[Tensor, Tensor]) -> None:
    logits, target = batch
    target = target.masked_fill(target == 2, 0)  # a class may be absent
    for include_background in (True, False):
        theirs = monai.BoundaryLoss(**ONE_HOT, include_background=include_background)(logits, channel(target))
        ours = losses.boundary_loss(logits, target, include_background=include_background)
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_hausdorff_loss_is_monai_s(batch: tuple[Tensor, Tensor], alpha: float) -> None:
    logits, target = batch
    target = target.masked_fill(target == 2, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = monai.HausdorffDTLoss(**ONE_HOT, alpha=alpha, include_background=False)(logits, channel(target))
    torch.testing.assert_close(losses.hausdorff_loss(logits, target, alpha=alpha), theirs)


# Code that is not installed


def test_distance_penalized_differs_seglossodyssey_returns_the_cross_entropy_itself() -> None:
    row = two_classes([0.1, 0.2, 0.7, 0.9, 0.6, 0.4], [0, 0, 1, 1, 1, 0])
    assert losses.cross_entropy(*row).item() == pytest.approx(0.3020318, abs=1e-6)
    assert losses.distance_penalized_cross_entropy(*row).item() == pytest.approx(0.5689434, abs=1e-6)


def test_unified_focal_differs_the_authors_code_swaps_the_exponents() -> None:
    """Paper: focal 1 − γ, Tversky γ. Code: focal γ, Tversky 1 − γ; its weight multiplies Tversky. Equal at ½."""
    code = losses.unified_focal_loss(*A, gamma=1 - 0.2, weight=1 - 0.5).item()
    assert code == pytest.approx(0.2803425, abs=1e-6)
    assert losses.unified_focal_loss(*A, gamma=0.2).item() == pytest.approx(0.4498694, abs=1e-6)
