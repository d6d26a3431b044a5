"""Masks of objects, and the distances to them."""

import torch
from scipy import ndimage
from torch import Tensor

from coursekit.exercises.draw import Draw


def random_mask(draw: Draw, height: int, width: int) -> Tensor:
    """(H, W) bool, at least 6 wide: a rectangle on the left, and a single pixel apart from it on the right."""
    mask = torch.zeros(height, width, dtype=torch.bool)
    top, left = draw.integer(0, height // 2), draw.integer(0, width // 2 - 3)
    mask[top : top + draw.integer(2, 4), left : left + 3] = True
    mask[draw.integer(0, height - 1), draw.integer(width // 2 + 1, width - 1)] = True
    return mask


def distance_to(mask: Tensor) -> Tensor:
    """(…, H, W): at each pixel the Euclidean distance to the nearest true one of its own picture; one must be true."""
    pictures = [
        torch.from_numpy(ndimage.distance_transform_edt(~m.numpy())) for m in mask.reshape(-1, *mask.shape[-2:])
    ]
    return torch.stack(pictures).reshape(mask.shape)
