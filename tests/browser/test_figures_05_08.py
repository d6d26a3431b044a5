"""The interactive figures of lectures 05 to 08 answer to mouse and keyboard, without the kernel, and have names."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SCENE = "street, labels = data.StreetScenes(10, (120, 160), seed=7)[9]; classes = data.StreetScenes.classes\n"
LAYERS = '{"conv": (3, 1, 1), "pool": (2, 2), "deep": (3, 8, 1), "deeper": (5, 1, 2)}'
FIELDS = SCENE + f"figures.ReceptiveFields(street, {LAYERS})"
SERIES = SCENE + 'figures.ActivationSeries(street, {"unpooled": torch.eye(4), "dense": torch.rand(8, 8) + 1})'
SKIPS = SCENE + (
    'figures.SkipSwitchboard(models.UNet(11, 3, 4, depth=3, padding="same").eval(), street, labels, classes)'
)
TILES = SCENE + "figures.OverlapTile(street, labels, 20, tiles=(40, 60, 80))"
BINS = SCENE + "figures.PyramidBins(street, labels, classes)"


def test_receptive_fields_follow_the_pointer_and_the_keys(open_figure, keep):
    figure = open_figure(FIELDS)
    assert figure.unnamed() == []
    assert "pool, stride 2" in figure.told()
    figure.press("PageDown")
    assert "deep, stride 16" in figure.told()
    before = figure.looks()
    told = figure.told()
    figure.press("ArrowRight")
    assert figure.told() != told
    assert figure.looks() != before
    figure.root.locator("canvas").hover(position={"x": 60, "y": 60})
    assert "the value in row 0, column 0 sees 8 × 8" in figure.told()
    figure.slide("layer", 0)
    assert "conv, stride 1" in figure.told()
    figure.press("PageUp")
    figure.press("PageDown", times=9)
    assert "deeper, stride 16" in figure.told()
    keep(figure.root, "receptive-fields")
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")


def test_the_activation_series_steps(open_figure, keep):
    figure = open_figure(SERIES)
    assert figure.unnamed() == []
    assert "1 of 2, unpooled: a map of 4 × 4, 75 % of it zero" in figure.told()
    before = figure.looks()
    figure.press("ArrowRight", times=3)
    assert "2 of 2, dense: a map of 8 × 8, 0 % of it zero" in figure.told()
    assert figure.looks() != before
    figure.control("previous layer").click()
    figure.slide("layer", 1)
    assert "2 of 2" in figure.told()
    keep(figure.root, "activation-series")
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")


def test_skips_are_switched_off_one_by_one(open_figure, keep):
    figure = open_figure(SKIPS)
    assert figure.unnamed() == []
    assert figure.told().startswith("With all skips: mean IoU")
    before = figure.looks()
    figure.control("skip 1, the finest").uncheck()
    assert figure.told().startswith("Without skip 1: mean IoU")
    assert figure.looks() != before
    figure.press("3")
    assert figure.told().startswith("Without skip 1, 3: mean IoU")
    assert not figure.control("skip 3, the coarsest").is_checked()
    figure.press("0")
    assert figure.told().startswith("With all skips")
    figure.control("all skips off or on").click()
    assert figure.told().startswith("Without skip 1, 2, 3")
    keep(figure.root, "skip-switchboard")
    print(f"a step is painted after {figure.milliseconds('1', '2'):.1f} ms")


def test_tiles_are_read_one_after_the_other(open_figure, keep):
    figure = open_figure(TILES)
    assert figure.unnamed() == []
    assert "Tile 1 of 6: to answer for 60 × 60 pixels from row 0, column 0" in figure.told()
    assert "reads 100 × 100; 36 % of them are mirror image" in figure.told()
    before = figure.looks()
    figure.press("ArrowRight", times=4)
    assert "Tile 5 of 6: to answer for 60 × 60 pixels from row 60, column 60" in figure.told()
    assert figure.looks() != before
    figure.control("side of a tile").select_option("80")
    assert "Tile 1 of 4" in figure.told()
    figure.press("ArrowDown", times=2)
    assert "Tile 1 of 12: to answer for 40 × 40" in figure.told()
    figure.slide("tile", 11)
    assert "Tile 12 of 12" in figure.told()
    keep(figure.root, "overlap-tile")
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")


def test_bins_follow_the_pixel(open_figure, keep):
    figure = open_figure(BINS)
    assert figure.unnamed() == []
    assert "of 6 × 6 bins it lies in bin (4, 1)" in figure.told()
    before = figure.looks()
    figure.press("2")
    assert "of 2 × 2 bins it lies in bin (1, 0), rows 60 to 119, columns 0 to 79" in figure.told()
    assert figure.looks() != before
    figure.press("ArrowUp", times=12)
    assert "bin (0, 0)" in figure.told()
    figure.control("bins over the picture").select_option("1")
    assert "of 1 × 1 bins it lies in bin (0, 0), rows 0 to 119" in figure.told()
    figure.root.locator("canvas").first.hover(position={"x": 62, "y": 62})
    assert "The pixel in row 22, column 22" in figure.told()
    keep(figure.root, "pyramid-bins")
    print(f"a step is painted after {figure.milliseconds('ArrowLeft', 'ArrowRight'):.1f} ms")
