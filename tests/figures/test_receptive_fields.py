"""The frames of the receptive-field figure are where the gradient says that they are."""

import pytest
import torch
from torch import nn

from coursekit.figures import ReceptiveFields

IMAGE = torch.rand(3, 40, 56)
LAYERS = {
    "conv1": nn.Conv2d(3, 4, 3, padding=9),
    "pool1": nn.AvgPool2d(2),
    "conv2": nn.Conv2d(4, 4, 5, padding=2),
    "pool2": nn.AvgPool2d(2),
    "dense": nn.Conv2d(4, 1, 3),
}


@pytest.fixture(scope="module")
def figure():
    return ReceptiveFields(IMAGE, LAYERS)


@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_a_field_is_what_the_gradient_reaches(figure, number):
    field = figure.layers[number]
    network = nn.Sequential(*list(LAYERS.values())[: number + 1])
    x = IMAGE[None].clone().requires_grad_()
    out = network(x)
    # The output's own numbering begins outside the picture, where the padding is: find the one value whose field
    # starts where the figure says.
    for row, column in ((0, 0), (field["count"][0] - 1, field["count"][1] - 1)):
        top, left = (field["start"] + index * field["stride"] for index in (row, column))
        shift = round((field["start"] - first_start(network)) / field["stride"])
        x.grad = None
        out[0, :, row + shift, column + shift].sum().backward(retain_graph=True)
        seen = x.grad[0].abs().sum(0) > 0
        rows, columns = seen.any(1).nonzero().flatten(), seen.any(0).nonzero().flatten()
        assert (rows.min(), columns.min()) == (max(0, top), max(0, left))
        assert rows.max() == min(40, top + field["size"]) - 1
        assert columns.max() == min(56, left + field["size"]) - 1


def first_start(network):
    """The left edge of the very first output's field, by stepping backwards through the layers by hand."""
    edge = 0
    for layer in reversed(network):
        stride = layer.stride[0] if isinstance(layer.stride, tuple) else layer.stride
        padding = layer.padding[0] if isinstance(layer.padding, tuple) else layer.padding
        edge = edge * stride - padding
    return edge


def test_every_value_shown_has_its_middle_over_the_picture(figure):
    for field in figure.layers:
        for count, side in zip(field["count"], IMAGE.shape[1:]):
            first = field["start"] + (field["size"] - 1) / 2
            assert 0 <= first < field["stride"] or field["start"] == 0
            assert first + (count - 1) * field["stride"] <= side - 1


def test_a_picture_too_small_and_fields_not_square_are_refused():
    with pytest.raises(ValueError, match="no value over a picture"):
        ReceptiveFields(torch.rand(3, 8, 8), {"wide": (9, 1)})
    with pytest.raises(ValueError, match="another height than width"):
        ReceptiveFields(IMAGE, {"flat": ((3, 1), 1)})


def test_the_picture_names_the_fields(figure):
    assert "dense 22" in figure.picture().alt
