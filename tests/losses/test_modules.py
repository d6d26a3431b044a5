"""Each loss as a module: the function with its options fixed."""

import copy
import inspect
import pickle

import pytest
import torch

from coursekit import losses
from coursekit.losses.base import Loss

PAIRS = {
    "cross_entropy": "CrossEntropy",
    "weighted_cross_entropy": "WeightedCrossEntropy",
    "focal_loss": "FocalLoss",
    "topk_loss": "TopKLoss",
    "distance_penalized_cross_entropy": "DistancePenalizedCrossEntropy",
    "dice_loss": "DiceLoss",
    "iou_loss": "IoULoss",
    "tversky_loss": "TverskyLoss",
    "asymmetric_similarity_loss": "AsymmetricSimilarityLoss",
    "focal_tversky_loss": "FocalTverskyLoss",
    "generalized_dice_loss": "GeneralizedDiceLoss",
    "sensitivity_specificity_loss": "SensitivitySpecificityLoss",
    "log_cosh_dice_loss": "LogCoshDiceLoss",
    "lovasz_softmax_loss": "LovaszSoftmaxLoss",
    "boundary_loss": "BoundaryLoss",
    "hausdorff_loss": "HausdorffLoss",
    "combo_loss": "ComboLoss",
    "dice_ce_loss": "DiceCELoss",
    "unified_focal_loss": "UnifiedFocalLoss",
    "exponential_logarithmic_loss": "ExponentialLogarithmicLoss",
}
OTHER = {  # a value that is not the default
    bool: lambda value: not value,
    float: lambda value: value / 2,
    str: lambda value: "sum",
    int: lambda value: 7,
}
LOGITS = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=PAIRS.items(), ids=lambda pair: pair[1])
def pair(request: pytest.FixtureRequest):
    """A function and its module's class."""
    return getattr(losses, request.param[0]), getattr(losses, request.param[1])


def test_everything_public_is_listed() -> None:
    others = {"DistanceMaps", "distance_maps", "signed_distance"}
    assert set(losses.__all__) == {*PAIRS, *PAIRS.values(), *others}
    assert losses.__all__ == sorted(losses.__all__)


def test_the_signature_is_the_function_s_options_as_keywords(pair) -> None:
    function, module = pair
    options = [p.replace(kind=p.KEYWORD_ONLY) for p in inspect.signature(function).parameters.values()][2:]
    assert list(inspect.signature(module).parameters.values()) == options
    assert options
    assert function.__name__ in module.__doc__


def test_a_module_is_its_function_with_options(pair) -> None:
    function, module = pair
    torch.testing.assert_close(module()(LOGITS, TARGET), function(LOGITS, TARGET))
    for name, parameter in inspect.signature(module).parameters.items():
        if parameter.default is None:
            continue
        options = {name: OTHER[type(parameter.default)](parameter.default)}
        made = module(**options)
        assert getattr(made, name) == options[name]
        assert f"{name}={options[name]!r}" in repr(made)
        torch.testing.assert_close(made(LOGITS, TARGET), function(LOGITS, TARGET, **options))


def test_a_module_can_be_copied_pickled_and_saved(pair) -> None:
    _, module = pair
    made = module(ignore_index=2)
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert type(other) is module
        assert repr(other) == repr(made)
        assert torch.equal(other(LOGITS, TARGET), made(LOGITS, TARGET))
    assert made.state_dict() == {}


def test_an_unknown_or_positional_option_is_refused(pair) -> None:
    _, module = pair
    with pytest.raises(TypeError, match="gama"):
        module(gama=2.0)
    with pytest.raises(TypeError):
        module(2.0)


def test_options_are_attributes_that_can_be_changed() -> None:
    loss = losses.FocalLoss(gamma=1.0)
    assert repr(loss) == "FocalLoss(gamma=1.0, alpha=None, reduction='mean', ignore_index=255)"
    loss.gamma = 0.0
    assert loss(LOGITS, TARGET).item() == pytest.approx(losses.cross_entropy(LOGITS, TARGET).item())


def test_a_weight_is_a_buffer() -> None:
    loss = losses.WeightedCrossEntropy(weight=torch.tensor([1.0, 2.0, 3.0]))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.to("meta").weight.device.type == "meta"
    assert list(losses.WeightedCrossEntropy(weight=[1.0, 2.0, 3.0]).state_dict()) == []


def test_what_changes_with_the_batch_is_given_at_the_call() -> None:
    distances = torch.rand(2, 3, 4, 5)
    for value in (
        losses.BoundaryLoss()(LOGITS, TARGET, distances=distances),
        losses.BoundaryLoss()(LOGITS, *(TARGET, distances)),
        losses.boundary_loss(LOGITS, *(TARGET, distances)),
    ):
        torch.testing.assert_close(value, (LOGITS.softmax(1) * distances).mean())


@pytest.mark.parametrize("name", ["BoundaryLoss", "HausdorffLoss", "DistancePenalizedCrossEntropy"])
def test_a_target_with_distance_maps_goes_in_as_it_comes(name: str) -> None:
    _, target = losses.DistanceMaps(3)(None, TARGET[0])
    batch = [part[None] for part in target]
    loss = getattr(losses, name)()
    assert loss(LOGITS[:1], *batch) == loss(LOGITS[:1], TARGET[:1])


def test_maps_are_refused_where_none_are_needed() -> None:
    with pytest.raises(TypeError, match="distances"):
        losses.DiceLoss()(LOGITS, TARGET, torch.rand(2, 3, 4, 5))


def test_a_module_s_class_can_be_refined() -> None:
    class Half(losses.DiceLoss):
        def forward(self, logits, target, **overrides):
            return super().forward(logits, target, **overrides) / 2

    assert Half(squared=False)(LOGITS, TARGET) == losses.dice_loss(LOGITS, TARGET, squared=False) / 2
    assert issubclass(Half, Loss)
