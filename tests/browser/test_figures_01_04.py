"""The interactive figures of lectures 01 to 04 answer to mouse and keyboard, without the kernel, and have names."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MICROSCOPE = """
figures.TransposedConvolution(torch.arange(1.0, 5).view(2, 2), torch.tensor([[1.0, 0, 2], [0, 1, 0], [3, 0, 1]]))
"""


def test_the_microscope_steps(open_figure):
    figure = open_figure(MICROSCOPE)
    assert figure.unnamed() == []
    before = figure.looks()
    assert "Stamp 1 of 4" in figure.told()
    figure.press("ArrowRight", times=2)
    assert "Stamp 3 of 4" in figure.told()
    figure.control("stride").select_option("2")
    assert "a checkerboard" in figure.told()
    assert figure.looks() != before
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")
