"""How near a predicted pose is to the true one."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

# How far annotators of COCO stray on each of the 17 keypoints, as a fraction of the person's size √area:
# nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles (cocodataset.org/#keypoints-eval, 2016).
COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)


def object_keypoint_similarity(
    pred: Float[Tensor, "k p 3"],
    target: Shaped[Tensor, "g p 3"],
    area: Shaped[Tensor, "g"],
    sigmas: tuple[float, ...] = COCO_SIGMAS,
) -> Float[Tensor, "k g"]:
    """The similarity, between 0 and 1, of every predicted person to every true one (COCO's OKS).

    OKS is the mean of exp(−d² / (2 · area · κ²)) over the keypoints that the truth labels (visibility > 0),
    with d the distance in pixels and κ = 2σ. `pred` and `target` hold x, y and a score or the visibility, of
    which the prediction's is not used; `area` is the true person's area in pixels². A true person without a
    labelled keypoint gets 0; COCO leaves such people out of the evaluation.

    Raises ValueError when there is not one sigma for each keypoint.
    """
    if not pred.shape[1] == target.shape[1] == len(sigmas):
        raise ValueError(
            f"pred has {pred.shape[1]} keypoints, target {target.shape[1]} and sigmas {len(sigmas)}: "
            "give one sigma for each keypoint."
        )
    kappa = 2 * pred.new_tensor(sigmas)
    labelled = (target[..., 2] > 0).to(pred)
    squared = (pred[:, None, :, :2] - target[None, :, :, :2].to(pred)).square().sum(-1)
    spread = area.to(pred)[:, None].clamp(min=torch.finfo(pred.dtype).tiny) * kappa**2
    near = torch.exp(-squared / (2 * spread)) * labelled
    return near.sum(-1) / labelled.sum(-1).clamp(min=1)
