"""From a map of membranes to cells, and back to how many of them were merged or split."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor


def label(inside: Bool[Tensor, "h w"]) -> Int[Tensor, "h w"]:
    """Numbers from 1 on for the connected components (4 neighbours) of what is inside of cells, 0 elsewhere."""
    return torch.from_numpy(ndimage.label(inside.numpy())[0].astype(np.int64))


def class_weights(targets: Int[Tensor, "n h w"]) -> Float[Tensor, " c"]:
    """w_c of U-Net: weights that give both classes the same share of the loss, 1 on average over the pixels."""
    counts = targets.flatten().bincount().float()
    return counts.sum() / (len(counts) * counts)


def border_weights(cells: Int[Tensor, "h w"], w0: float = 10.0, sigma: float = 5.0) -> Float[Tensor, "h w"]:
    """U-Net's weight of the gaps, w0 · exp(−(d1 + d2)² / 2σ²) outside of cells, to be added to the class weights.

    d1 and d2 are the distances to the two nearest cells. Only pixels within 4 σ of a cell are measured: beyond,
    the weight is below w0 · exp(−8). Ronneberger et al., 2015, equation 2.
    """
    reach = round(4 * sigma)
    nearest = np.full((2, *cells.shape), np.inf)
    padded = cells.numpy()
    for number, box in enumerate(ndimage.find_objects(padded), 1):
        if box is None:
            continue
        window = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        distance = ndimage.distance_transform_edt(padded[window] != number)
        first, second = nearest[0][window], nearest[1][window]
        nearest[1][window] = np.minimum(second, np.maximum(first, distance))
        nearest[0][window] = np.minimum(first, distance)
    weights = w0 * np.exp(-(nearest.sum(0) ** 2) / (2 * sigma**2))
    return torch.from_numpy(np.where(padded == 0, weights, 0)).float()


def compare(found: Int[Tensor, "h w"], truth: Int[Tensor, "h w"], smallest: int = 50) -> dict[str, float]:
    """How well the found cells agree with the true ones, looking only where there is a true cell.

    - `rand_error`: 1 minus the F-score of pairs of pixels that lie in one cell (adapted Rand error of the ISBI
      2012 challenge; Arganda-Carreras et al., 2015).
    - `merged`, `split`: the number of true cells of at least `smallest` pixels that share the found cell which
      covers most of them with another such cell, and that no found cell covers by half.
    """
    rows, columns = int(truth.max()) + 1, int(found.max()) + 1
    table = torch.zeros(rows, columns, dtype=torch.float64)
    table.view(-1).index_add_(0, (truth * columns + found).flatten(), torch.ones(truth.numel(), dtype=torch.float64))
    table = table[1:]  # of the true cells
    return {"rand_error": rand_error(table), **merged_and_split(table, smallest)}


def rand_error(table: Float[Tensor, "truths found"]) -> float:
    """From the table of pixels that each true cell shares with each found one; column 0 holds those in no cell.

    Counted are pairs of different pixels: those that lie in one cell in both maps, in the found, in the true one.
    """
    shared = table[:, 1:]
    both, in_found, in_truth = (
        float((counts**2).sum() - counts.sum()) for counts in (shared, shared.sum(0), table.sum(1))
    )
    return 1 - 2 * both / max(in_found + in_truth, 1)


def merged_and_split(table: Float[Tensor, "truths found"], smallest: int) -> dict[str, float]:
    area = table.sum(1)
    share, home = (table[:, 1:] / area[:, None].clamp(min=1)).max(1)
    counted, covered = area >= smallest, share > 0.5
    inhabitants = home[counted & covered].bincount(minlength=table.shape[1])
    merged = counted & covered & (inhabitants[home] > 1)
    return {"merged": float(merged.sum()), "split": float((counted & ~covered).sum()), "cells": float(counted.sum())}
