"""How well two outlines agree: scores that look at the boundary of a mask, not at its area."""

import numpy as np
from jaxtyping import Shaped
from scipy.ndimage import binary_erosion, distance_transform_edt
from torch import Tensor


def _boundary_distances(pred: Shaped[Tensor, "h w"], target: Shaped[Tensor, "h w"]) -> tuple[np.ndarray, np.ndarray]:
    """The distance from each boundary pixel of one mask to the boundary of the other, both ways.

    The boundary is what an erosion by the 4-neighbourhood takes away; beyond the image is background. Without
    a boundary to go to, the distance is infinite.
    """
    if pred.shape != target.shape:
        raise ValueError(f"pred {tuple(pred.shape)} and target {tuple(target.shape)} must have one shape.")
    masks = [(mask != 0).cpu().numpy() for mask in (pred, target)]
    edges = [mask & ~binary_erosion(mask) for mask in masks]
    # scipy measures to the nearest 0 and answers nonsense where there is none.
    fields = [distance_transform_edt(~e) if e.any() else np.full(e.shape, np.inf) for e in edges]
    return fields[1][edges[0]], fields[0][edges[1]]


def boundary_f1(pred: Shaped[Tensor, "h w"], target: Shaped[Tensor, "h w"], tolerance: float) -> float:
    """The F1 score of two masks' boundaries, between 0 and 1 (Csurka et al., BMVC 2013).

    Precision is the share of predicted boundary pixels within `tolerance` pixels of the true boundary, recall
    the share of true ones within `tolerance` of the predicted; the score is their harmonic mean. (The surface
    Dice counts both kinds in one sum: another number.) Non-zero is foreground. With one mask empty the score
    is 0, with both empty 1.

    Raises ValueError when the shapes differ.
    """
    near_pred, near_target = (d <= tolerance for d in _boundary_distances(pred, target))
    if not near_pred.size and not near_target.size:
        return 1.0
    if not near_pred.any() or not near_target.any():
        return 0.0
    precision, recall = near_pred.mean(), near_target.mean()
    return float(2 * precision * recall / (precision + recall))


def hausdorff_distance(pred: Shaped[Tensor, "h w"], target: Shaped[Tensor, "h w"], percentile: float = 100) -> float:
    """The Hausdorff distance between two masks' boundaries, in pixels.

    Each boundary pixel has a distance to the other boundary; of each mask's distances the `percentile` is
    taken (linear between two values), and the larger of the two is the result. 100 is Hausdorff's maximum, 95
    the HD95 of medical imaging, which a single stray pixel does not decide. Non-zero is foreground. With one
    mask empty the distance is infinite, with both empty 0.

    Raises ValueError when the shapes differ or `percentile` lies outside 0 … 100.
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile must lie between 0 and 100, got {percentile}.")
    distances = _boundary_distances(pred, target)
    if not any(d.size for d in distances):
        return 0.0
    if not all(d.size for d in distances):
        return float("inf")
    return max(float(np.percentile(d, percentile)) for d in distances)
