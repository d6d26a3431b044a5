"""Static figures: PNG and alternative text, the same bytes every time."""

import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from coursekit import figures


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"))


def test_a_picture_needs_a_description():
    with pytest.raises(ValueError, match="alternative text"):
        figures.Picture(Figure(), " ")


def test_a_picture_carries_its_description_to_jupyter():
    data, metadata = figures.show_arrays({"x": torch.eye(2)}, alt="The identity.")._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == "Picture: The identity."
    assert metadata["image/png"]["alt"] == "The identity."


def test_drawing_again_gives_the_same_bytes():
    first, second = (figures.show_arrays({"x": torch.eye(3)}, alt="The identity.").png for _ in range(2))
    assert first == second


def test_saving_leaves_nothing_half_written(tmp_path):
    file = figures.show_arrays({"x": torch.eye(2)}, alt="The identity.").save(tmp_path / "x.png")
    assert Image.open(file).size[0] > 20
    assert [f.name for f in tmp_path.iterdir()] == ["x.png"]


def test_masks_are_described_by_their_largest_classes():
    mask = torch.tensor([[0, 0, 0, 255], [1, 1, 0, 0]])
    picture = figures.show_masks([torch.rand(3, 2, 4)], {"truth": [mask]}, ["sky", "road"])
    assert "truth 1: sky 62%, road 25%, void 12%" in picture.alt


def test_masks_are_painted_in_their_classes_colours():
    mask = torch.full((40, 60), 8)
    shown = pixels(figures.show_masks([torch.zeros(3, 40, 60)], {"truth": [mask]}, list("abcdefghi")))
    blue = (np.abs(shown.astype(int) - (figures.colourise(mask)[0, 0] * 255).round()) < 3).all(-1)
    assert blue.mean() > 0.15


@pytest.mark.parametrize("image", [torch.rand(3, 8, 9), torch.rand(1, 8, 9), torch.randn(8, 9)])
def test_images_of_every_kind_are_shown(image):
    assert pixels(figures.show_images({"one": image, "two": image}, alt="Two pictures.")).std() > 5


def test_label_maps_stand_in_a_row_with_one_legend():
    labels = {"left": torch.zeros(20, 30, dtype=torch.int64), "right": torch.full((20, 30), 8)}
    picture = figures.show_labels(labels, list("abcdefghi"))
    assert "left: a 100%; right: i 100%" in picture.alt
    shown = pixels(picture)
    for label in (0, 8):
        ink = (figures.colourise(torch.tensor([[label]]))[0, 0] * 255).round()
        assert (np.abs(shown.astype(int) - ink) < 3).all(-1).mean() > 0.15
