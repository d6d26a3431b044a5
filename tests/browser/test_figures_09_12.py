"""The interactive figures of lectures 09 to 12 answer to mouse and keyboard, and compute what the library computes."""

import json
import re

import pytest
import torch
from torchvision import ops as torchvision_ops

from coursekit import data, figures
from coursekit.figures import interactive, loss_laboratory
from coursekit.training import pix2pix

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def numbers(text):
    return torch.tensor([float(number) for number in re.findall(r"−?-?\d+\.?\d*", text)])


def test_the_box_is_pooled_and_aligned(open_figure, keep):
    figure = open_figure("figures.RoiBox(torch.arange(16.0).view(4, 4), (0.6, 0.6, 2.4, 2.4))")
    assert figure.unnamed() == []
    figure.control("bins").select_option("1")
    assert ": 10. RoIAlign reads 4 points: 5. Without the half-pixel shift: 7.5." in figure.told()
    before = figure.looks()
    figure.press("ArrowRight", times=3)
    figure.press("Shift+ArrowDown", times=4)
    assert "Box from (0.9, 0.6) to (2.7, 2.8)" in figure.told()
    assert figure.looks() != before

    figure.control("bins").select_option("2")
    figure.control("samples").select_option("3")
    figure.slide("left", 0.3)
    _, pooled, aligned, unaligned = re.split(r"rows [^:]*:|points:|shift:", figure.told())
    features, boxes = torch.arange(16.0).view(1, 1, 4, 4), [torch.tensor([[0.3, 0.6, 2.1, 2.8]])]
    for said, expected in (
        (pooled.split(". RoI")[0], torchvision_ops.roi_pool(features, boxes, 2)),
        (aligned.split(". Without")[0], torchvision_ops.roi_align(features, boxes, 2, 1.0, 3, True)),
        (unaligned, torchvision_ops.roi_align(features, boxes, 2, 1.0, 3, False)),
    ):
        assert torch.allclose(numbers(said.strip(". ")), expected.flatten(), atol=0.006)
    keep(figure.root, "roi-box")
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")


def test_the_box_is_dragged(open_figure):
    figure = open_figure("figures.RoiBox(torch.arange(16.0).view(4, 4), (0, 0, 2, 2))")
    area = figure.root.locator("svg[role=img]").bounding_box()
    cell = (area["width"] - 2) / 4
    mouse = figure.page.mouse
    mouse.move(area["x"] + cell, area["y"] + cell)
    mouse.down()
    mouse.move(area["x"] + 2 * cell, area["y"] + 1.5 * cell)
    mouse.up()
    left, top, right, bottom = numbers(figure.told().split(". RoIPool")[0]).tolist()
    assert (left, top) == pytest.approx((1, 0.5), abs=0.05)
    assert (right - left, bottom - top) == pytest.approx((2, 2), abs=0.03)
    mouse.move(area["x"] + 1 + right * cell, area["y"] + 1 + bottom * cell)
    mouse.down()
    mouse.move(area["x"] + 1 + 3.5 * cell, area["y"] + 1 + 3.8 * cell)
    mouse.up()
    assert numbers(figure.told().split(". RoIPool")[0]).tolist()[2:] == pytest.approx([3.5, 3.8], abs=0.05)


PERSON = """
image, person = data.StreetScenes(10, (120, 160), task="keypoints", seed=7)[9]
figures.KeypointHeatmaps(
    image, person["keypoints"][-1], person["boxes"][-1], data.StreetScenes.keypoint_names,
    heatmaps=torch.rand(17, 56, 56, generator=torch.Generator().manual_seed(0)),
)
"""


def test_joints_become_cells(open_figure, keep):
    figure = open_figure(PERSON)
    assert figure.unnamed() == []
    assert figure.told().startswith("nose")
    before = figure.looks()
    figure.press("ArrowRight", times=2)
    assert figure.told().startswith("right")
    row, column, index, classes = numbers(figure.told().split(":")[1]).tolist()
    assert (index, classes) == (56 * row + column, 3136)
    figure.press("Shift+ArrowDown")
    assert numbers(figure.told().split(":")[1]).tolist()[:2] == [row + 1, column]
    assert figure.looks() != before
    before = figure.looks()
    figure.control("what the network says").check()
    assert figure.looks() != before

    person = figure.control("the person in the box").bounding_box()
    mouse = figure.page.mouse
    figure.control("what the network says").uncheck()
    mouse.move(person["x"] + person["width"] / 2, person["y"] + person["height"] - 8)
    mouse.down()
    mouse.move(person["x"] + person["width"] / 2, person["y"] + person["height"] / 2)
    mouse.up()
    assert "ankle" in figure.told()
    assert numbers(figure.told().split(":")[1])[0] == pytest.approx(28, abs=1)
    keep(figure.root, "keypoints")
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")


MIXER = """
prototypes = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 1.0], [1.0, 0.0]]])
figures.PrototypeMixer(
    torch.rand(3, 8, 8), prototypes, {"car": torch.tensor([1.0, -1.0]), "man": torch.tensor([-1.0, 1.0])},
    {"car": torch.tensor([0, 0, 2, 2]), "man": torch.tensor([0, 0, 1, 2])}, {"car": torch.eye(2) > 0},
)
"""


def test_prototypes_are_mixed(open_figure, keep):
    figure = open_figure(MIXER)
    assert figure.unnamed() == []
    assert "The mask of car has 2 of 4 pixels. IoU with the true mask: 1." in figure.told()
    before = figure.looks()
    figure.slide("c1", -1)
    assert "The mask of car has 0 of 4 pixels" in figure.told()
    assert figure.looks() != before
    figure.press("ArrowRight")
    figure.press("ArrowUp", times=2)
    assert "Prototype 2 of 2 has coefficient -0.8, weight -0.66" in figure.told()
    figure.control("tanh").uncheck()
    assert "weight -0.8" in figure.told()
    figure.control("object").select_option("man")
    assert "The mask of man has 1 of 4 pixels" in figure.told()
    figure.control("crop to the box").uncheck()
    assert "The mask of man has 2 of 4 pixels" in figure.told()
    keep(figure.root, "prototypes")
    print(f"a step is painted after {figure.milliseconds('ArrowUp', 'ArrowDown'):.1f} ms")


@pytest.mark.parametrize("shape", ["disc", "pole"])
def test_the_laboratorys_losses_are_the_librarys(open_figure, shape):
    settings = {"size": 6, "shift": 3, "growth": -1, "confidence": 0.83}
    figure = open_figure(f"figures.LossLaboratory({shape!r}, **{settings})")
    assert figure.unnamed() == []
    expected = figures.LossLaboratory(shape, **settings).values()
    shown = figure.root.locator("table tr").all()
    assert len(shown) == len(expected)
    for row, (name, (value, gradient)) in zip(shown, expected.items(), strict=True):
        assert row.locator("button").inner_text() == name
        assert float(row.locator(".value").inner_text()) == pytest.approx(value, abs=0.0006), name
        row.locator("button").click()
        said = re.search(r"is (-?\d+\.\d+); it pulls (\d+) pixels up and pushes (\d+) down", figure.told())
        most = gradient.abs().max()
        if name not in ("top-k, 10 %", "Lovász", "boundary", "Hausdorff"):  # ties, and many pixels near the threshold
            counts = [int((gradient < -0.05 * most).sum()), int((gradient > 0.05 * most).sum())]
            assert [int(said[2]), int(said[3])] == counts, name


def test_the_laboratory_steps(open_figure, keep):
    figure = open_figure("figures.LossLaboratory()")
    before = figure.looks()
    figure.press("ArrowRight", times=3)
    assert "shifted by 5" in figure.told()
    assert figure.looks() != before
    figure.press("ArrowDown", times=3)
    assert "Dice is" in figure.told()
    figure.slide("growth (below 0: erosion)", -3)
    figure.press("ArrowLeft")
    assert "grown by -4" in figure.told()
    figure.control("object").select_option("pole")
    assert "A pole of" in figure.told()
    keep(figure.root, "laboratory")
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")


def test_the_gradients_are_those_of_autograd(open_figure, figure_page):
    """The part that losses' figures share, evaluated in the page, against torch on a random prediction."""
    open_figure("figures.LossLaboratory()")
    torch.manual_seed(0)
    logit = torch.randn(9, 11, dtype=torch.float64) * 2
    y, x = torch.meshgrid(torch.arange(9), torch.arange(11), indexing="ij")
    truth = ((y - 3).square() + (x - 5).square() < 9).long()
    part = (interactive._HERE / "pixel_losses.js").read_text(encoding="utf-8")
    found = figure_page.evaluate(
        f"""([p, g]) => {{ {part}
            return JSON.stringify(Object.entries(pixelLosses(p, g, 11, 9)).map(([name, {{ value, gradient }}]) =>
                [name, value, [...gradient]])); }}""",
        [logit.sigmoid().flatten().tolist(), truth.flatten().tolist()],
    )
    for name, value, gradient in json.loads(found):
        z = logit.clone().requires_grad_()
        loss = loss_laboratory.LOSSES[name](torch.stack([torch.zeros_like(z), z])[None], truth[None])
        loss.backward()
        assert value == pytest.approx(float(loss.detach()), abs=1e-6), name
        assert torch.allclose(torch.tensor(gradient, dtype=torch.float64), z.grad.flatten(), atol=1e-7), name


def test_the_generator_in_the_browser_is_the_generator(open_figure, keep):
    """The mean colours told in the page are those of torch, for an example and after strokes of the pen."""
    painter = pix2pix.generator()

    def colours(drawing):
        with torch.no_grad():
            return (100 * painter(drawing[None]).sigmoid().mean((0, 2, 3))).tolist()

    def told():
        return numbers(figure.told().split("average ")[1].split(" per cent")[0]).tolist()

    figure = open_figure("""
from coursekit.training import pix2pix
streets = data.StreetScenes(2, 64, task="edges", seed=7, weather="clear")
figures.SketchToStreet(pix2pix.generator(), {"empty": torch.zeros(1, 64, 64), "street": streets[1][0]})
""")
    assert figure.unnamed() == []
    assert told() == pytest.approx(colours(torch.zeros(1, 64, 64)), abs=0.06)
    before = figure.looks()
    figure.control("drawing").select_option("street")
    street = data.StreetScenes(2, 64, task="edges", seed=7, weather="clear")[1][0].as_subclass(torch.Tensor)
    figure.page.wait_for_function("() => !document.querySelector('.ck-sketch output').textContent.startsWith('0 of')")
    assert told() == pytest.approx(colours(street), abs=0.06)
    assert figure.looks() != before
    keep(figure.root, "sketch")

    figure.press("Delete")
    figure.press("Shift+ArrowRight", times=3)
    figure.page.wait_for_function("() => document.querySelector('.ck-sketch output').textContent.startsWith('3 of')")
    sheet = figure.control("the sheet").bounding_box()
    mouse = figure.page.mouse
    mouse.move(sheet["x"] + 20, sheet["y"] + 20)
    mouse.down()
    mouse.move(sheet["x"] + 200, sheet["y"] + 20)
    mouse.up()
    figure.page.wait_for_function("() => parseInt(document.querySelector('.ck-sketch output').textContent) > 30")
    print(f"a stroke is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")
