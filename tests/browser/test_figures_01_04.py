"""The interactive figures of lectures 01 to 04 answer to mouse and keyboard, without the kernel, and have names."""

import pytest
import torch

from coursekit import data
from coursekit.figures import DetectionMatches, MaskPainter

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


STREET = """
street, target = data.StreetScenes(10, (120, 160), task="panoptic", seed=7)[9]
masks = data.StreetScenes(10, (120, 160), task="instance", seed=7)[9][1]["masks"]
"""
PAINTER = "figures.MaskPainter(street[:, 50:, 100:], masks[1, 50:, 100:])"
MATCHES = "figures.DetectionMatches(street, masks.roll(2, 2), torch.linspace(0.9, 0.5, len(masks)), masks)"


@pytest.fixture
def street():
    """What STREET makes in the kernel, here."""
    image, target = data.StreetScenes(10, (120, 160), task="panoptic", seed=7)[9]
    return image, target, data.StreetScenes(10, (120, 160), task="instance", seed=7)[9][1]["masks"]


def test_the_explorer_tells_what_each_label_says(open_figure, street, keep):
    _, target, _ = street
    figure = open_figure(STREET + "figures.LabelExplorer(street, target, data.StreetScenes.classes)")
    assert figure.unnamed() == []
    before = figure.looks()
    figure.press("Shift+ArrowRight", times=8)
    identity = int(target["ids"][60, 80 + 64])
    assert "is pedestrian, a thing" in figure.told()
    assert f"its id {identity} is the colour ({identity % 256}, {identity // 256 % 256}, " in figure.told()
    figure.control("semantic label").hover(position={"x": 20, "y": 225})
    assert "stuff" in figure.told()
    assert figure.looks() != before
    keep(figure.root, "label-explorer")
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")


def test_matches_light_up(open_figure, street, keep):
    image, _, masks = street
    figure = open_figure(STREET + MATCHES)
    assert figure.unnamed() == []
    before = figure.looks()
    expected = DetectionMatches(image, masks.roll(2, 2), torch.linspace(0.9, 0.5, len(masks)), masks)
    assert f"AP at this IoU {expected.levels[0]['ap']:.3f}" in figure.told()
    figure.press("ArrowUp", times=3)
    assert f"at IoU 0.65. AP at this IoU {expected.levels[3]['ap']:.3f}" in figure.told()
    figure.slide("detections kept", 4)
    assert "4 detections with a score of 0.78 or more" in figure.told()
    assert f"what is kept {expected.panoptic[4]['pq']:.3f}" in figure.told()
    assert figure.looks() != before
    keep(figure.root, "detection-matches")
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")


def test_the_window_slides(open_figure, keep):
    figure = open_figure(STREET + "figures.SlidingWindow(street)")
    assert figure.unnamed() == []
    before = figure.looks()
    figure.press("ArrowDown", times=2)
    assert "around row 62, column 80: 420 of its 441 pixels" in figure.told()
    figure.control("window").select_option("37")
    assert "each pixel is read 1369 times" in figure.told()
    assert figure.looks() != before
    keep(figure.root, "sliding-window")
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")


def test_the_painter_scores_as_the_library_does(open_figure, street):
    image, _, masks = street
    figure = open_figure(STREET + PAINTER)
    assert figure.unnamed() == []
    truth = masks[1, 50:, 100:]
    wrong = torch.zeros_like(truth)
    wrong[:, 2:] = truth[:, :-2]
    figure.control("start from").select_option("2 pixels too far right")
    figure.slide("tolerance", 2)
    expected = MaskPainter(image[:, 50:, 100:], truth, wrong, tolerance=2)
    for name, value in expected.scores().items():
        assert f"{name} {value:.3f}" in figure.told()
    for name, (value, _) in expected.losses().items():
        figure.root.get_by_role("button", name=name, exact=True).click()
        assert f"The loss {name} is {value:.4f}" in figure.told()


def test_one_paints_with_pointer_and_keys(open_figure, keep):
    figure = open_figure(STREET + PAINTER)
    assert "Painted: 0 pixels" in figure.told()
    canvas = figure.control("picture to paint on")
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.3
    figure.page.mouse.move(x, y)
    figure.page.mouse.down()
    figure.page.mouse.move(x + 60, y + 180, steps=5)
    figure.page.mouse.up()
    painted = figure.number("Painted")
    assert painted > 100
    keep(figure.root, "mask-painter")

    figure.press("p")
    before = figure.looks()
    print(f"scores follow the brush after {figure.milliseconds('ArrowLeft', 'ArrowUp'):.1f} ms")
    figure.press("p")
    assert figure.number("Painted") > painted
    assert figure.looks() != before
    more = figure.number("Painted")
    figure.press("e")
    figure.press(" ")
    assert figure.number("Painted") < more
    figure.control("start from").select_option("nothing")
    assert figure.number("Painted") == 0
