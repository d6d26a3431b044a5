"""What must hold for every loss, or for a family, on random pictures."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from coursekit import losses

Function = Callable[..., Tensor]

PIXEL = [
    losses.cross_entropy,
    losses.weighted_cross_entropy,
    losses.focal_loss,
    losses.topk_loss,
    losses.distance_penalized_cross_entropy,
]
REGION = [
    losses.dice_loss,
    losses.iou_loss,
    losses.tversky_loss,
    losses.asymmetric_similarity_loss,
    losses.focal_tversky_loss,
    losses.generalized_dice_loss,
    losses.sensitivity_specificity_loss,
    losses.log_cosh_dice_loss,
    losses.lovasz_softmax_loss,
]
BOUNDARY = [losses.boundary_loss, losses.hausdorff_loss]
COMPOUND = [
    losses.combo_loss,
    losses.dice_ce_loss,
    losses.unified_focal_loss,
    losses.exponential_logarithmic_loss,
]
ALL = PIXEL + REGION + BOUNDARY + COMPOUND
SPATIAL = [losses.distance_penalized_cross_entropy, *BOUNDARY]  # these see where a pixel is
PLAIN = [loss for loss in ALL if loss not in SPATIAL]


def each(functions: list[Function]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("loss", functions, ids=lambda f: f.__name__)


def picture(n: int = 2, c: int = 3, h: int = 4, w: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random float64 logits and a target in which every class is present."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, c, h, w, generator=generator, dtype=torch.float64)
    target = torch.randint(0, c, (n, h, w), generator=generator)
    target.view(-1)[:c] = torch.arange(c)
    return logits, target


def one_hot_logits(labels: Tensor, num_classes: int, scale: float = 1e4) -> Tensor:
    """±scale logits that predict `labels` with certainty."""
    return scale * (2 * torch.nn.functional.one_hot(labels, num_classes).movedim(-1, 1).double() - 1)


@each(ALL)
def test_gradient_is_the_derivative(loss: Function) -> None:
    logits, target = picture()
    target[0, 0, -1] = 255
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits.requires_grad_())


@each(ALL)
def test_gradient_is_not_zero_and_dtype_and_inputs_are_kept(loss: Function) -> None:
    for dtype in (torch.float32, torch.float64):
        logits, target = picture()
        logits = logits.to(dtype).requires_grad_()
        before = logits.detach().clone(), target.clone()
        value = loss(logits, target)
        value.backward()
        assert value.shape == ()
        assert value.dtype == dtype
        assert logits.grad.abs().max() > 1e-4
        assert torch.equal(before[0], logits)
        assert torch.equal(before[1], target)


@each(ALL)
def test_half_precision_does_not_overflow(loss: Function) -> None:
    """300 × 300 = 90 000 pixels are more than float16 can count."""
    logits, target = picture(1, 2, 300, 300)
    exact, half = loss(logits.half().double(), target), loss(logits.half(), target)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(exact.item(), rel=1e-3, abs=1e-4)


@each(ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("prediction", ["right", "wrong", "one pixel wrong", "undecided"])
def test_saturated_logits_give_finite_loss_and_gradient(loss: Function, prediction: str, dtype: torch.dtype) -> None:
    _, target = picture()
    labels = target.clone()
    if prediction == "wrong":
        labels = (labels + 1) % 3
    elif prediction == "one pixel wrong":
        labels[0, 0, 0] = (labels[0, 0, 0] + 1) % 3
    logits = one_hot_logits(labels, 3).to(dtype)
    if prediction == "undecided":
        logits = torch.full_like(logits, 1e4)
    value = loss(logits.requires_grad_(), target)
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


@each([loss for loss in ALL if loss not in (losses.boundary_loss, losses.combo_loss)])
def test_a_perfect_prediction_costs_nothing_and_a_wrong_one_more(loss: Function) -> None:
    _, target = picture()
    assert loss(one_hot_logits(target, 3), target).item() == pytest.approx(0, abs=1e-6)
    assert loss(one_hot_logits((target + 1) % 3, 3, scale=5), target).item() > 0.1


@each([losses.boundary_loss, losses.combo_loss])
def test_a_perfect_prediction_has_the_least_loss_even_below_zero(loss: Function) -> None:
    _, target = picture(1, 2, 8, 9)
    target[:] = 0
    target[:, 2:7, 2:7] = 1
    best = loss(one_hot_logits(target, 2), target).item()
    assert best < 0
    for seed in range(3):
        assert loss(picture(1, 2, 8, 9, seed)[0], target).item() > best


# Ignored pixels


@each(PLAIN)
@pytest.mark.parametrize("ignore_index", [255, -100, 1], ids=["255", "-100 as in torch", "1, a class"])
def test_ignored_pixels_are_as_if_cut_off(loss: Function, ignore_index: int) -> None:
    logits, target = picture(w=10)
    target[target == ignore_index] = 0
    ignored = target.clone()
    ignored[..., 6:] = ignore_index
    cut = loss(logits[..., :6], target[..., :6], ignore_index=ignore_index)
    assert loss(logits, ignored, ignore_index=ignore_index).item() == pytest.approx(cut.item(), abs=1e-12)


@each([loss for loss in ALL if loss is not losses.hausdorff_loss])
def test_ignored_pixels_have_no_gradient(loss: Function) -> None:
    logits, target = picture()
    ignored = torch.rand(target.shape, generator=torch.Generator().manual_seed(1)) < 0.3
    loss(logits.requires_grad_(), target.masked_fill(ignored, 255)).backward()
    assert (logits.grad.movedim(1, -1)[ignored] == 0).all()
    assert (logits.grad.movedim(1, -1)[~ignored] != 0).any()


@each(ALL)
@pytest.mark.parametrize("ignore_index", [255, 0])
def test_a_batch_without_labels_costs_nothing_and_teaches_nothing(loss: Function, ignore_index: int) -> None:
    logits, target = picture()
    value = loss(logits.requires_grad_(), torch.full_like(target, ignore_index), ignore_index=ignore_index)
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@each(ALL)
def test_a_batch_without_pictures_costs_nothing(loss: Function) -> None:
    logits = torch.zeros(0, 3, 4, 5, requires_grad=True)
    value = loss(logits, torch.zeros(0, 4, 5, dtype=torch.int64))
    value.backward()
    assert value.item() == 0
    assert logits.grad.shape == logits.shape


def test_ignored_pixels_are_background_for_the_hausdorff_loss() -> None:
    logits, target = picture()
    target[..., 3:] = 255
    assert losses.hausdorff_loss(logits, target) == losses.hausdorff_loss(logits, target.masked_fill(target == 255, 0))


def test_ignored_pixels_leave_the_mean_of_the_boundary_loss_and_belong_to_no_class() -> None:
    logits, target = picture()
    target[..., 4:] = 255
    distances = losses.distance_maps(target, 3)
    assert (distances[..., 4:] > 0).all()
    expected = (logits.softmax(1) * distances)[..., :4].mean()
    assert losses.boundary_loss(logits, target).item() == pytest.approx(expected.item())
    relabelled = target.masked_fill(target == 255, 1)  # the same with a class as the index to ignore
    relabelled[..., :4][relabelled[..., :4] == 1] = 0
    target[target == 1] = 0
    value = losses.boundary_loss(logits, relabelled, ignore_index=1)
    assert value.item() == pytest.approx(losses.boundary_loss(logits, target).item())


# Absent classes


@each(PIXEL + REGION + COMPOUND)
def test_an_absent_class_without_probability_changes_nothing(loss: Function) -> None:
    logits, target = picture()
    wider = torch.cat([logits, torch.full_like(logits[:, :2], -1e4)], 1)
    assert loss(wider, target).item() == pytest.approx(loss(logits, target).item(), abs=1e-12)


@each([losses.tversky_loss, losses.focal_tversky_loss, losses.lovasz_softmax_loss, losses.generalized_dice_loss])
def test_a_missing_object_is_finite_and_teaches(loss: Function) -> None:
    """Nothing but background: class 1 is absent, its false positives still lower the background's score."""
    logits, target = picture(c=2)
    loss_value = loss(logits.requires_grad_(), torch.zeros_like(target))
    loss_value.backward()
    assert 0 < loss_value.item() < 1
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().max() > 0


@each([*REGION, *COMPOUND, losses.boundary_loss])
def test_the_background_can_be_left_out(loss: Function) -> None:
    logits, target = picture(c=2)
    foreground = loss(logits, target, include_background=False).item()
    assert foreground != pytest.approx(loss(logits, target).item())
    if loss in (losses.tversky_loss, losses.focal_tversky_loss, losses.lovasz_softmax_loss, losses.boundary_loss):
        background = loss(logits.flip(1), 1 - target, include_background=False).item()
        assert loss(logits, target).item() == pytest.approx((foreground + background) / 2)


# Invariances


@each([loss for loss in ALL if loss not in (losses.unified_focal_loss, losses.hausdorff_loss)])
def test_the_names_of_the_classes_do_not_matter(loss: Function) -> None:
    logits, target = picture()
    order = torch.tensor([2, 0, 1])
    assert loss(logits[:, order.argsort()], order[target]).item() == pytest.approx(loss(logits, target).item())


@each([losses.unified_focal_loss, losses.hausdorff_loss])
def test_the_names_of_the_foreground_classes_do_not_matter(loss: Function) -> None:
    logits, target = picture()
    order = torch.tensor([0, 2, 1])
    assert loss(logits[:, order], order[target]).item() == pytest.approx(loss(logits, target).item())


@each(PLAIN)
def test_only_the_set_of_pixels_matters_not_their_place_or_picture(loss: Function) -> None:
    logits, target = picture()
    order = torch.randperm(target.numel(), generator=torch.Generator().manual_seed(1))
    shuffled = logits.movedim(1, -1).reshape(-1, 3)[order].T.reshape(1, 3, 8, 6)
    assert loss(shuffled, target.flatten()[order].view(1, 8, 6)).item() == pytest.approx(loss(logits, target).item())


@each(ALL)
def test_a_constant_added_to_the_logits_of_a_pixel_does_not_matter(loss: Function) -> None:
    logits, target = picture()
    assert loss(logits + 7, target).item() == pytest.approx(loss(logits, target).item())


@each(ALL)
def test_the_memory_layout_does_not_matter(loss: Function) -> None:
    logits, target = picture()
    expected = loss(logits, target).item()
    assert loss(logits.contiguous(memory_format=torch.channels_last), target).item() == pytest.approx(expected)
    turned = target.transpose(1, 2).contiguous().transpose(1, 2)
    assert loss(logits, turned).item() == pytest.approx(expected)


# Relations between the losses


@each([losses.dice_loss, losses.iou_loss])
def test_hard_labels_give_the_metric(loss: Function) -> None:
    _, target = picture(seed=1)
    labels = picture(seed=2)[1]
    logits = one_hot_logits(labels, 3)
    for k in range(3):
        prediction, truth = labels == k, target == k
        j = ((prediction & truth).sum() / (prediction | truth).sum()).item()
        score = 2 * j / (1 + j) if loss is losses.dice_loss else j
        pair = torch.stack([-logits[:, k], logits[:, k]], 1)
        assert loss(pair, truth.long(), include_background=False).item() == pytest.approx(1 - score)
    assert losses.dice_loss(logits, target).item() == pytest.approx(
        losses.dice_loss(logits, target, squared=False).item()  # 0² = 0 and 1² = 1
    )


@pytest.mark.parametrize("pooled", [True, False])
def test_dice_is_2j_over_1_plus_j_on_hard_labels(pooled: bool) -> None:
    _, target = picture(c=2, seed=1)
    logits = one_hot_logits(picture(c=2, seed=2)[1], 2)
    options = {"pooled": pooled, "include_background": False}
    jaccard = 1 - losses.iou_loss(logits, target, **options).item()
    assert losses.dice_loss(logits, target, **options).item() == pytest.approx(1 - 2 * jaccard / (1 + jaccard))


def test_tversky_has_dice_and_iou_as_special_cases() -> None:
    logits, target = picture()
    dice = losses.dice_loss(logits, target, squared=False, pooled=False).item()
    iou = losses.iou_loss(logits, target, pooled=False).item()
    assert losses.tversky_loss(logits, target, alpha=0.5, beta=0.5).item() == pytest.approx(dice)
    assert losses.tversky_loss(logits, target, alpha=1.0, beta=1.0).item() == pytest.approx(iou)
    assert losses.asymmetric_similarity_loss(logits, target, beta=1.0).item() == pytest.approx(dice)
    assert losses.log_cosh_dice_loss(logits, target).exp().acosh().item() == pytest.approx(dice)
    tversky = losses.tversky_loss(logits, target).item()
    assert losses.focal_tversky_loss(logits, target, gamma=1.0).item() == pytest.approx(tversky)


def test_alpha_is_on_false_positives_and_beta_on_false_negatives() -> None:
    """A prediction that only claims too much is punished by α alone, one that only misses by β alone."""
    target = torch.zeros(1, 1, 8, dtype=torch.int64)
    target[..., :4] = 1
    for claimed, weight in (("too much", "alpha"), ("too little", "beta")):
        labels = target.clone()
        labels[..., 4:6] = int(claimed == "too much")
        labels[..., 2:4] = int(claimed == "too much")
        other = "beta" if weight == "alpha" else "alpha"
        logits = one_hot_logits(labels, 2)
        free = losses.tversky_loss(logits, target, include_background=False, **{weight: 0.0, other: 5.0})
        assert free.item() == pytest.approx(0)
        assert losses.tversky_loss(logits, target, include_background=False, **{weight: 5.0, other: 0.0}) > 0.5


def test_lovasz_extension_meets_the_jaccard_loss_at_hard_predictions() -> None:
    _, target = picture(seed=1)
    logits = one_hot_logits(picture(seed=2)[1], 3)
    expected = losses.iou_loss(logits, target, pooled=False).item()
    assert losses.lovasz_softmax_loss(logits, target).item() == pytest.approx(expected)


def test_lovasz_extension_by_its_definition() -> None:
    """Σ m(π_i) · (Δ({π_1 … π_i}) − Δ({π_1 … π_(i−1)})), Δ the Jaccard loss when a set of pixels is wrong."""
    logits, target = picture(1, 3, 3, 4)
    s = logits.softmax(1)[0].flatten(1)
    total = 0.0
    for k in range(3):
        own = target.flatten() == k
        error = torch.where(own, 1 - s[k], s[k])
        wrong, last = torch.zeros_like(own), 0.0
        for i in error.argsort(descending=True):
            wrong[i] = True
            prediction = own ^ wrong
            now = 1 - ((prediction & own).sum() / (prediction | own).sum()).item()
            total += error[i].item() * (now - last) / 3
            last = now
    assert losses.lovasz_softmax_loss(logits, target).item() == pytest.approx(total)


def test_compounds_are_the_sums_they_say() -> None:
    logits, target = picture()
    ce = losses.cross_entropy(logits, target).item()
    dice = losses.dice_loss(logits, target, squared=False, pooled=False).item()
    assert losses.dice_ce_loss(logits, target).item() == pytest.approx(dice + ce)
    assert losses.combo_loss(logits, target, alpha=0.3).item() == pytest.approx(0.3 * ce - 0.7 * (1 - dice))
    powered = (losses.cross_entropy(logits, target, reduction="none") ** 0.5).mean().item()
    value = losses.exponential_logarithmic_loss(logits, target, gamma=0.5, dice_weight=0.6, ce_weight=0.4)
    assert value.item() == pytest.approx(0.6 * (-torch.tensor(1 - dice).log().item()) ** 0.5 + 0.4 * powered)
    focal = losses.focal_loss(logits, target, gamma=0.7, alpha=[0.2, 0.8, 0.8])
    tversky = losses.focal_tversky_loss(logits, target, alpha=0.2, beta=0.8, gamma=1 / 0.3)
    value = losses.unified_focal_loss(logits, target, weight=0.9, delta=0.8, gamma=0.3)
    assert value.item() == pytest.approx((0.9 * focal + 0.1 * tversky).item())


# The pixel losses


@each(PIXEL)
def test_reductions_agree(loss: Function) -> None:
    logits, target = picture()
    target[0, 0, :3] = 255
    kept = (target != 255).sum() if loss is not losses.topk_loss else round(0.1 * (target != 255).sum().item())
    pixels = loss(logits, target, reduction="none")
    assert pixels.shape == target.shape
    assert (pixels[target == 255] == 0).all()
    assert loss(logits, target, reduction="sum").item() == pytest.approx(pixels.sum().item())
    assert loss(logits, target).item() == pytest.approx((pixels.sum() / kept).item())
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none', not 'average'"):
        loss(logits, target, reduction="average")


def test_doubling_the_class_weights_doubles_the_loss() -> None:
    logits, target = picture()
    weight = torch.tensor([0.5, 1.0, 2.0])
    once, twice = (losses.weighted_cross_entropy(logits, target, weight=weight * f) for f in (1, 2))
    assert twice.item() == pytest.approx(2 * once.item())
    assert losses.weighted_cross_entropy(logits, target).item() == losses.cross_entropy(logits, target).item()


def test_focal_loss_weighs_each_class_with_its_alpha() -> None:
    logits, target = picture()
    pixels = losses.focal_loss(logits, target, reduction="none")
    alpha = torch.tensor([0.1, 0.2, 0.7])
    expected = (pixels * alpha[target]).mean()
    assert losses.focal_loss(logits, target, alpha=alpha).item() == pytest.approx(expected.item())


def test_topk_takes_the_hardest_share_of_the_whole_batch() -> None:
    logits, target = picture()  # 48 pixels
    pixels = losses.cross_entropy(logits, target, reduction="none").flatten().sort(descending=True).values
    assert losses.topk_loss(logits, target, k=0.25).item() == pytest.approx(pixels[:12].mean().item())
    assert losses.topk_loss(logits, target, k=1.0).item() == pytest.approx(pixels.mean().item())
    assert losses.topk_loss(logits, target, k=1e-9).item() == pytest.approx(pixels[0].item())
    target = target.masked_fill(target == 0, 255)
    assert (losses.topk_loss(logits, target, k=0.5, reduction="none") > 0).sum() == round(
        0.5 * (target != 255).sum().item()
    )


def test_topk_share_is_not_cut_off_by_floating_point() -> None:
    """0.29 · 100 is 28.999… in floating point: still 29 pixels."""
    logits, target = picture(1, 2, 10, 10)
    assert (losses.topk_loss(logits, target, k=0.29, reduction="none") > 0).sum() == 29


@pytest.mark.parametrize("k", [0.0, -0.1, 1.5])
def test_topk_refuses_a_share_that_is_none(k: float) -> None:
    with pytest.raises(ValueError, match="0 < k ≤ 1"):
        losses.topk_loss(*picture(), k=k)


# Wrong inputs


@each(ALL)
def test_inputs_that_do_not_fit_are_refused_with_a_way_out(loss: Function) -> None:
    logits, target = picture()
    with pytest.raises(ValueError, match=r"logits must be \(N, C, H, W\)"):
        loss(logits[0], target)
    with pytest.raises(ValueError, match="without a channel axis"):
        loss(logits, target.unsqueeze(1))
    with pytest.raises(ValueError, match=r"target must be \(2, 4, 6\)"):
        loss(logits, target[..., :3])
    with pytest.raises(TypeError, match=r"call target.long\(\)"):
        loss(logits, target.float())


@each([loss for loss in ALL if loss not in BOUNDARY])
def test_a_class_that_does_not_exist_is_refused(loss: Function) -> None:
    logits, target = picture()
    target[0, 0, 0] = 3
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        loss(logits, target)


def test_hausdorff_needs_a_foreground() -> None:
    with pytest.raises(ValueError, match="too few"):
        losses.hausdorff_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64))
