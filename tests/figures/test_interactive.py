"""What the interactive figures share: a widget where widgets run, a described picture where they do not."""

import ast
import inspect
import re

import pytest
import torch

from coursekit import figures
from coursekit.figures.interactive import InteractiveFigure, rgba

FIGURES = [
    made
    for _, made in inspect.getmembers(figures, inspect.isclass)
    if issubclass(made, InteractiveFigure) and made is not InteractiveFigure
]


def test_there_are_figures():
    assert FIGURES


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.__name__)
def test_a_figure_is_drawn_from_its_own_files_alone(figure):
    assert "function render(" in figure._esm
    assert "import " not in figure._esm
    assert ".ck-figure" in figure._css
    assert "http" not in figure._esm.replace("http://www.w3.org/2000/svg", "")
    assert figure.picture is not InteractiveFigure.picture


@pytest.mark.parametrize("figure", [InteractiveFigure, *FIGURES], ids=lambda figure: figure.__name__)
def test_a_figure_can_be_made_with_colabs_traitlets(figure):
    """Version 5.7, whose metaclass takes no keywords."""
    (made,) = ast.parse(inspect.getsource(figure)).body
    assert not made.keywords


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.__name__)
def test_no_name_is_declared_twice(figure):
    """A module that does is not run at all."""
    names = re.findall(r"^(?:function|const|let|class) (\w+)", figure._esm, re.MULTILINE)
    assert len(set(names)) == len(names)


def test_a_widget_carries_its_picture():
    figure = figures.TransposedConvolution(torch.eye(2), torch.ones(3, 3))
    data, metadata = figure._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == figure.model_id
    assert data["image/png"].startswith(b"\x89PNG")
    assert "6 × 6 output" in metadata["image/png"]["alt"]
    assert figure.label


def test_a_picture_becomes_the_bytes_of_a_canvas():
    image = torch.tensor([[[0.0, 1.0]], [[0.5, 0.0]], [[2.0, 0.0]]])
    assert list(rgba(image)) == [0, 128, 255, 255, 255, 0, 0, 255]
    assert list(rgba(image[:1])) == [0, 0, 0, 255, 255, 255, 255, 255]
