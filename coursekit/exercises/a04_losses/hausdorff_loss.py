"""`hausdorff_loss(probabilities, mask, alpha)`: squared errors, each weighed with its distance to both edges."""

from typing import Any

import torch
from scipy import ndimage
from torch import Tensor

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.a04_losses.shapes import distance_to, random_mask
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_LOSSES

hausdorff_loss = Exercise("hausdorff_loss", forbids=(REFERENCE_LOSSES,))


def _field(mask: Tensor) -> Tensor:
    """(N, H, W): the distance to the edge, inside and outside; 0 for a mask that is empty or full."""
    return torch.stack([_distance(m) if m.any() and not m.all() else torch.zeros(m.shape) for m in mask])


def _distance(mask: Tensor) -> Tensor:
    return (distance_to(mask) + distance_to(~mask)).float()


def _fields(probabilities: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The squared error, the field of the prediction and that of the mask."""
    error = (probabilities - mask.to(probabilities)) ** 2
    return error, _field(probabilities.detach() > 0.5).to(error), _field(mask > 0).to(error)


def _hausdorff(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    error, d_p, d_g = _fields(probabilities, mask)
    return (error * (d_p**alpha + d_g**alpha)).mean()


def _inputs(draw: Draw, n: int, h: int, w: int) -> tuple[Tensor, Tensor]:
    """Probabilities that keep away from 0.5, and masks; no two pictures alike."""
    masks = torch.stack([random_mask(draw, h, w) for _ in range(n)])
    predicted = torch.stack([random_mask(draw, h, w) for _ in range(n)])
    chance = draw.uniform(n, h, w, low=0.03, high=0.48)
    return torch.where(predicted, 1 - chance, chance), masks


@hausdorff_loss.check(points=0.5)
def values(answer: Answer, draw: Draw) -> None:
    """The notebook's row, and any batch, height and width."""
    row = torch.tensor([[[0.1, 0.2, 0.7, 0.9, 0.4, 0.6]]]), torch.tensor([[[0, 0, 1, 1, 1, 0]]]) > 0
    calls = _inputs(draw, 1, 1, 8), _inputs(draw, 3, 7, 10), _inputs(draw, 2, 9, 6)
    batches.expect_losses(answer, _hausdorff, 1e-4, row, *calls)


@hausdorff_loss.check(points=0.5)
def alpha_and_types(answer: Answer, draw: Draw) -> None:
    """Any alpha, and a mask of truth values, whole numbers or floats."""
    calls: list[Any] = [(*_inputs(draw, 2, 6, 9), {"alpha": alpha}) for alpha in (1.0, 2.5, 2.0)]
    for dtype in (torch.bool, torch.int64, torch.uint8, torch.float32):
        probabilities, mask = _inputs(draw, 2, 6, 9)
        calls.append((probabilities, mask.to(dtype)))
    batches.expect_losses(answer, _hausdorff, 1e-4, *calls)


@hausdorff_loss.check(points=0.5, needs="values")
def empty_or_full(answer: Answer, draw: Draw) -> None:
    """Where the prediction or the mask is empty or full, its distances are 0, and the other's still count."""
    calls = []
    for full in (False, True):
        probabilities, mask = _inputs(draw, 3, 6, 9)
        mask[0] = full
        probabilities[1] = draw.uniform(6, 9, low=0.1, high=0.4) + full / 2
        calls += [(probabilities, mask), (probabilities[1:2], mask[1:2]), (probabilities[1:2], mask[:1])]
    batches.expect_losses(answer, _hausdorff, 1e-4, *calls)


batches.add_good_manners(hausdorff_loss, "values", _hausdorff, lambda draw: _inputs(draw, 2, 6, 9))


@hausdorff_loss.mistake
def inner_distances_only(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """Outside the object the field is 0: the distance to the edge is needed on both sides."""
    error, d_p, d_g = _fields(probabilities, mask)
    d_p, d_g = d_p * (probabilities > 0.5), d_g * (mask > 0)
    return (error * (d_p**alpha + d_g**alpha)).mean()


@hausdorff_loss.mistake
def outer_distances_only(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """Inside the object the field is 0: the distance to the edge is needed on both sides."""
    error, d_p, d_g = _fields(probabilities, mask)
    d_p, d_g = d_p * (probabilities <= 0.5), d_g * (mask <= 0)
    return (error * (d_p**alpha + d_g**alpha)).mean()


@hausdorff_loss.mistake
def one_subtracted_inside(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """Inside, a step was taken off, as for the signed distance; this field has both distances as they are."""
    error, d_p, d_g = _fields(probabilities, mask)
    d_p, d_g = d_p - (d_p > 0) * (probabilities > 0.5).float(), d_g - (d_g > 0) * (mask > 0).float()
    return (error * (d_p**alpha + d_g**alpha)).mean()


@hausdorff_loss.mistake
def field_of_the_mask_only(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """Only the mask's distances count; those of the prediction belong in as well."""
    error, _, d_g = _fields(probabilities, mask)
    return (error * d_g**alpha).mean()


@hausdorff_loss.mistake
def field_of_the_prediction_only(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """Only the prediction's distances count; those of the mask belong in as well."""
    error, d_p, _ = _fields(probabilities, mask)
    return (error * d_p**alpha).mean()


@hausdorff_loss.mistake
def power_of_the_sum(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The two distances were added before the power; each has its own."""
    error, d_p, d_g = _fields(probabilities, mask)
    return (error * (d_p + d_g) ** alpha).mean()


@hausdorff_loss.mistake
def fields_multiplied(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The two distances were multiplied; they are to be added."""
    error, d_p, d_g = _fields(probabilities, mask)
    return (error * (d_p**alpha * d_g**alpha)).mean()


@hausdorff_loss.mistake
def larger_of_the_fields(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The larger of the two distances was taken; they are to be added."""
    error, d_p, d_g = _fields(probabilities, mask)
    return (error * torch.maximum(d_p, d_g) ** alpha).mean()


@hausdorff_loss.mistake
def alpha_ignored(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The distances are squared whatever `alpha` says."""
    return _hausdorff(probabilities, mask)


@hausdorff_loss.mistake
def no_power(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The distances stand as they are: each is to be raised to the power alpha."""
    return _hausdorff(probabilities, mask, 1.0)


@hausdorff_loss.mistake
def alpha_on_the_error(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """Alpha stands on the error as well; the error is always squared."""
    error, d_p, d_g = _fields(probabilities, mask)
    return (error ** (alpha / 2) * (d_p**alpha + d_g**alpha)).mean()


@hausdorff_loss.mistake
def error_not_squared(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The error is |p - g| here; the formula squares it."""
    error, d_p, d_g = _fields(probabilities, mask)
    return (error.sqrt() * (d_p**alpha + d_g**alpha)).mean()


@hausdorff_loss.mistake
def error_with_its_sign(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """Errors of both signs cancel out: the formula squares them."""
    _, d_p, d_g = _fields(probabilities, mask)
    return ((probabilities - mask.to(probabilities)) * (d_p**alpha + d_g**alpha)).mean()


@hausdorff_loss.mistake
def hard_error(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The error was computed from the thresholded prediction, which passes no gradient on; only the distances are."""
    return _hausdorff((probabilities > 0.5).to(probabilities), mask, alpha)


@hausdorff_loss.mistake
def sum_instead_of_mean(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The loss grows with the size of the picture: the mean over all pixels is asked for."""
    return _hausdorff(probabilities, mask, alpha) * mask.numel()


@hausdorff_loss.mistake
def divided_by_pictures_only(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The sum was divided by the number of pictures; the mean is over all pixels."""
    return _hausdorff(probabilities, mask, alpha) * mask[0].numel()


@hausdorff_loss.mistake
def largest_and_not_mean(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The largest term was taken, as in the Hausdorff distance itself; the loss is a mean, that all pixels learn."""
    error, d_p, d_g = _fields(probabilities, mask)
    return (error * (d_p**alpha + d_g**alpha)).max()


@hausdorff_loss.mistake
def batch_as_a_volume(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The pictures of a batch lie on each other like the slices of a volume, and distances run through them: treat each
    picture by itself."""
    error, _, _ = _fields(probabilities, mask)

    def field(m: Tensor) -> Tensor:
        sides = [ndimage.distance_transform_edt(side.numpy()) for side in (m, ~m)]
        return torch.from_numpy(sides[0] + sides[1]).to(error)

    d_p, d_g = field(probabilities.detach() > 0.5), field(mask > 0)
    return (error * (d_p**alpha + d_g**alpha)).mean()


def _unguarded_field(first: Tensor, second: Tensor) -> Tensor:
    """What SciPy says of all that is not 0 in an object and in its background, picture by picture."""
    return torch.stack(
        [
            torch.from_numpy(sum(ndimage.distance_transform_edt(side.numpy()) for side in sides))
            for sides in zip(first, second)
        ]
    )


@hausdorff_loss.mistake
def prediction_not_thresholded(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """Every pixel whose probability is not exactly 0 counted as object: threshold at 0.5 before measuring."""
    error, _, d_g = _fields(probabilities, mask)
    p = probabilities.detach()
    return (error * (_unguarded_field(p, 1 - p).to(error) ** alpha + d_g**alpha)).mean()


@hausdorff_loss.mistake
def empty_or_full_not_handled(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """Of a picture that is all object or all background there is no edge, and SciPy's distances mean nothing."""
    error, _, _ = _fields(probabilities, mask)
    d_p, d_g = (_unguarded_field(m, ~m).to(error) for m in (probabilities > 0.5, mask > 0))
    return (error * (d_p**alpha + d_g**alpha)).mean()


@hausdorff_loss.mistake
def nothing_where_one_is_empty(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """The loss of a picture vanishes when one of the two has no edge; only that one's distances are 0, and an empty
    prediction has to learn."""
    error, d_p, d_g = _fields(probabilities, mask)
    both = d_p.flatten(1).any(dim=1) & d_g.flatten(1).any(dim=1)
    return (error * (d_p**alpha + d_g**alpha) * both[:, None, None]).mean()


@hausdorff_loss.mistake
def mask_turned_bitwise(probabilities: Tensor, mask: Tensor, alpha: float = 2.0) -> Tensor:
    """Right for truth values only: for whole numbers `~` gives -1 and -2, which are both true. Make the mask bool."""
    if mask.is_floating_point():
        raise TypeError("ufunc 'invert' not supported for the input types")
    if mask.dtype == torch.bool:
        return _hausdorff(probabilities, mask, alpha)
    error, d_p, _ = _fields(probabilities, mask)
    d_g = torch.stack([distance_to(m == 0) for m in mask]).to(error)
    return (error * (d_p**alpha + d_g**alpha)).mean()
