"""The pyramid's colours and shares are means over torch's adaptive bins, also where sizes do not divide."""

import pytest
import torch

from coursekit.figures import PyramidBins

CLASSES = ["sky", "road"]
IMAGE = torch.rand(3, 13, 20)
TARGET = torch.randint(2, (13, 20))
TARGET[0, 0] = 255


@pytest.fixture(scope="module")
def figure():
    return PyramidBins(IMAGE, TARGET, CLASSES)


def bins_by_hand(side, length):
    return [range(i * length // side, -(-(i + 1) * length // side)) for i in range(side)]


def test_bins_hold_means(figure):
    for level, side in enumerate(figure.bins):
        for i, rows in enumerate(bins_by_hand(side, 13)):
            for j, columns in enumerate(bins_by_hand(side, 20)):
                part = (slice(rows.start, rows.stop), slice(columns.start, columns.stop))
                colour = 255 * IMAGE[:, *part].mean((1, 2))
                assert figure.colours[level][i][j] == pytest.approx(colour.tolist(), abs=0.51)
                share = (TARGET[part] == 1).float().mean()
                assert figure.shares[level][i][j][1] == pytest.approx(float(share), abs=5.1e-4)


def test_void_is_no_class(figure):
    (whole,) = figure.shares[0][0]
    assert sum(whole) == pytest.approx(1 - 1 / 260, abs=1e-3)


def test_the_picture_names_the_levels(figure):
    assert "1 × 1, 2 × 2, 3 × 3, 6 × 6" in figure.picture().alt
