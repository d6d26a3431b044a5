"""Colours of classes stay apart, also for readers who do not see red and green, or blue and yellow, apart."""

from itertools import combinations

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from coursekit.figures.palette import COLOURS, VOID, colourise, rgb

# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency", 2009,
# severity 1.0; on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def seen(colour, matrix):
    linear = np.where(rgb(colour) <= 0.04045, rgb(colour) / 12.92, ((rgb(colour) + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(np.asarray(matrix) @ linear, 0, 1)
    return rgb2lab(np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_the_eleven_classes_can_be_told_apart(deficiency):
    matrix = DEFICIENCIES[deficiency]
    distances = {
        (a, b): float(deltaE_ciede2000(seen(a, matrix), seen(b, matrix)))
        for a, b in combinations([*COLOURS[:11], VOID], 2)
    }
    pair, smallest = min(distances.items(), key=lambda item: item[1])
    assert smallest > 8, pair


def test_colourise_paints_classes_and_void():
    picture = colourise(torch.tensor([[0, 1], [255, len(COLOURS)]]))
    assert np.allclose(picture[0, 1], rgb(COLOURS[1]))
    assert np.allclose(picture[1, 0], rgb(VOID))
    assert np.allclose(picture[1, 1], rgb(COLOURS[0]))
