"""Every loss of the lecture on four examples that can be computed by hand.

A: two classes, four pixels. B: a rare class. C: three classes, of which the last is absent. D: one row with an object.
A row of the table is (loss, example, options, value); `foreground` rows leave the background out.
"""

import pytest
import torch
from torch import Tensor

from coursekit import losses

FOREGROUND = {"include_background": False}


def two_classes(foreground: list[float], target: list[int]) -> tuple[Tensor, Tensor]:
    """Logits (1, 2, 1, W) whose softmax has the given foreground, in float64, and the target (1, 1, W)."""
    s = torch.tensor(foreground, dtype=torch.float64)
    return torch.stack([1 - s, s]).log()[None, :, None], torch.tensor(target)[None, None]


EXAMPLES = {
    "A": two_classes([0.9, 0.4, 0.3, 0.2], [1, 1, 0, 0]),
    "B": two_classes([0.6, 0.3, 0.2, 0.1], [1, 0, 0, 0]),
    "C": (
        torch.tensor([[0.8, 0.7, 0.6, 0.9], [0.1, 0.2, 0.3, 0.05], [0.1, 0.1, 0.1, 0.05]])
        .double()
        .log()[None, :, None],
        torch.tensor([0, 0, 1, 0])[None, None],
    ),
    "D": two_classes([0.1, 0.2, 0.7, 0.9, 0.6, 0.4], [0, 0, 1, 1, 1, 0]),
    "D with s of the last two swapped": two_classes([0.1, 0.2, 0.7, 0.9, 0.4, 0.6], [0, 0, 1, 1, 1, 0]),
    "A, last pixel ignored": two_classes([0.9, 0.4, 0.3, 0.2], [1, 1, 0, 255]),
}

TABLE = [
    ("cross_entropy", "A", {}, 0.4003674),
    ("cross_entropy", "A, last pixel ignored", {}, 0.4594420),
    ("weighted_cross_entropy", "A", {"weight": [1.0, 3.0]}, 0.9111930),
    ("focal_loss", "A", {}, 0.0929862),
    ("focal_loss", "A", {"gamma": 1.0}, 0.1779854),
    ("focal_loss", "A", {"gamma": 0.0}, 0.4003674),
    ("topk_loss", "A", {"k": 0.5}, 0.6364828),
    ("topk_loss", "A", {"k": 0.25}, 0.9162907),
    ("topk_loss", "A", {"k": 0.1}, 0.9162907),  # at least one pixel, where int(0.4) = 0 would give nan
    ("distance_penalized_cross_entropy", "D", {}, 0.5689434),
    ("dice_loss", "A", {}, 0.1515152),
    ("dice_loss", "A", FOREGROUND, 0.1612903),
    ("dice_loss", "C", {}, 0.1660232),
    ("dice_loss", "A", {"pooled": False}, 0.1520737),
    ("dice_loss", "A", {"squared": False}, 0.3),
    ("dice_loss", "A", {"squared": False, **FOREGROUND}, 0.3157895),
    ("dice_loss", "A", {"squared": False, "pooled": False}, 0.3007519),
    ("dice_loss", "C", {"squared": False, "pooled": False}, 0.4181818),
    ("iou_loss", "A", {}, 0.4615385),
    ("iou_loss", "A", FOREGROUND, 0.48),
    ("iou_loss", "A", {"pooled": False}, 0.4622222),
    ("iou_loss", "C", {}, 0.4905660),
    ("tversky_loss", "A", FOREGROUND, 0.3298969),
    ("tversky_loss", "A", {"alpha": 0.7, "beta": 0.3, **FOREGROUND}, 0.3010753),
    ("asymmetric_similarity_loss", "A", FOREGROUND, 0.3293651),
    ("asymmetric_similarity_loss", "A", {"beta": 2.0, **FOREGROUND}, 0.3367347),
    ("focal_tversky_loss", "A", FOREGROUND, 0.4352950),
    ("focal_tversky_loss", "A", {}, 0.4058869),  # the mean of the powers; the power of the mean is 0.4062422
    ("generalized_dice_loss", "B", {}, 25 / 64),
    ("sensitivity_specificity_loss", "A", FOREGROUND, 0.077),
    ("sensitivity_specificity_loss", "A", {"weight": 0.05, **FOREGROUND}, 0.071),
    ("sensitivity_specificity_loss", "A", {"weight": 0.9, **FOREGROUND}, 0.173),
    ("log_cosh_dice_loss", "A", FOREGROUND, 0.0490542),
    ("lovasz_softmax_loss", "A", {}, 0.3791667),
    ("lovasz_softmax_loss", "A", FOREGROUND, 0.3916667),
    ("lovasz_softmax_loss", "C", {}, 0.5),
    ("boundary_loss", "D", {}, -0.0083333),
    ("boundary_loss", "D", FOREGROUND, -0.0166667),
    ("hausdorff_loss", "D with s of the last two swapped", {}, 0.305),
    ("hausdorff_loss", "D with s of the last two swapped", {"alpha": 1.0}, 0.295),
    ("combo_loss", "A", {"beta": 0.7, **FOREGROUND}, -0.2309676),
    ("combo_loss", "A", {}, 0.5 * 0.4003674 - 0.5 * (1 - 0.3007519)),
    ("dice_ce_loss", "A", {}, 0.3007519 + 0.4003674),
    ("unified_focal_loss", "A", {}, 0.3445672),
    ("unified_focal_loss", "A", {"gamma": 0.2}, 0.4498694),  # the paper's exponents
    ("unified_focal_loss", "A", {"gamma": 0.8}, 0.2803425),  # what the authors' code gives for gamma = 0.2
    ("exponential_logarithmic_loss", "A", FOREGROUND, 0.7409464),
]


def row_id(row: tuple[str, str, dict[str, object], float]) -> str:
    name, example, options, _ = row
    return f"{name}({', '.join(f'{k}={v}' for k, v in options.items())}) on {example}"


@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_the_value_computed_by_hand(row: tuple[str, str, dict[str, object], float]) -> None:
    name, example, options, expected = row
    assert getattr(losses, name)(*EXAMPLES[example], **options).item() == pytest.approx(expected, abs=1e-6)


def test_every_loss_of_the_lecture_has_a_row() -> None:
    functions = {name for name in losses.__all__ if name.endswith(("_loss", "cross_entropy"))}
    assert {row[0] for row in TABLE} == functions


def test_pooled_and_class_mean_differ_visibly_only_with_three_classes() -> None:
    """With two classes they differ by 6e-4, so that a mistake would pass: the third class tells them apart."""
    pooled, mean = (losses.dice_loss(*EXAMPLES["C"], pooled=pooled).item() for pooled in (True, False))
    assert pooled == pytest.approx(0.1660232, abs=1e-6)
    assert mean == pytest.approx((0.52306 * 3 - 1) / 2, abs=1e-5)  # 0.52306 counts the absent class as lost
    pooled, mean = (losses.iou_loss(*EXAMPLES["C"], pooled=pooled).item() for pooled in (True, False))
    assert pooled == pytest.approx(0.4905660, abs=1e-6)
    assert mean == pytest.approx((0.7037037 * 3 - 1) / 2, abs=1e-6)


def test_tversky_depends_on_its_weights_where_pooled_sums_do_not() -> None:
    """Over all classes of a softmax Σ fp = Σ fn, so that a pooled Tversky loss would be 0.325 for any α + β = 1."""
    logits, target = EXAMPLES["C"]
    s, g = logits.softmax(1), torch.nn.functional.one_hot(target, 3).movedim(-1, 1)
    fp, fn, tp = ((1 - g) * s).sum(), (g * (1 - s)).sum(), (g * s).sum()
    assert fp.item() == pytest.approx(fn.item())
    assert (1 - tp / (tp + 0.3 * fp + 0.7 * fn)).item() == pytest.approx(0.325)
    values = {losses.tversky_loss(logits, target, alpha=a, beta=1 - a).item() for a in (0.3, 0.5, 0.7)}
    assert len({round(value, 3) for value in values} | {0.325}) == 4


@pytest.mark.parametrize(("example", "value"), [("A", 0.125), ("B", 0.31 / 3)])
def test_two_class_mean_of_sensitivity_specificity_does_not_depend_on_the_weight(example: str, value: float) -> None:
    for weight in (0.1, 0.5, 0.9):
        loss = losses.sensitivity_specificity_loss(*EXAMPLES[example], weight=weight)
        assert loss.item() == pytest.approx(value, abs=1e-6)


def test_soft_dice_is_not_the_hard_dice_in_disguise() -> None:
    """For s = .8 .4 .3 .1 soft and hard linear Dice coincide at 1/3; only the gradient tells them apart."""
    logits, target = two_classes([0.8, 0.4, 0.3, 0.1], [1, 1, 0, 0])
    logits.requires_grad_()
    loss = losses.dice_loss(logits, target, squared=False, **FOREGROUND)
    assert loss.item() == pytest.approx(1 / 3)
    assert torch.autograd.grad(loss, logits)[0].abs().min() > 1e-3


def test_sums_run_over_the_batch() -> None:
    """A two-pixel object found and a one-pixel object missed: 0.2 over the batch, 0.5 as a mean of pictures."""
    target = torch.tensor([[[1, 1, 0]], [[1, 0, 0]]])
    found = torch.tensor([[[1, 1, 0]], [[0, 0, 0]]])
    logits = 100 * torch.nn.functional.one_hot(found, 2).movedim(-1, 1).float()
    options = {"squared": False, **FOREGROUND}
    assert losses.dice_loss(logits, target, **options).item() == pytest.approx(0.2)
    pictures = [losses.dice_loss(logits[[i]], target[[i]], **options).item() for i in (0, 1)]
    assert pictures == pytest.approx([0, 1])
