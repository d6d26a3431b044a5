"""The microscope's numbers are those of the library, for every setting it offers."""

import pytest
import torch
from torch.nn import functional as F

from coursekit.figures import TransposedConvolution

X = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
KERNEL = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0], [3.0, 0.0, 1.0]])


@pytest.fixture(scope="module")
def microscope():
    return TransposedConvolution(X, KERNEL)


def test_stamps_add_up_to_the_transposed_convolution(microscope):
    assert len(microscope.settings) == 10
    for key, setting in microscope.settings.items():
        stride, padding, output_padding = map(int, key.split(","))
        expected = F.conv_transpose2d(X[None, None], KERNEL[None, None], None, stride, padding, output_padding)
        total = X.flatten() @ torch.tensor(setting["matrix"])
        assert setting["size"] == list(expected.shape[2:])
        assert torch.allclose(total, expected.flatten())


def test_the_first_view_is_one_of_the_settings(microscope):
    assert f"{microscope.stride},{microscope.padding},{microscope.output_padding}" in microscope.settings
    assert 1 <= microscope.step <= X.numel()


def test_there_is_a_static_picture_beside_it(microscope):
    picture = microscope.picture(stride=2)
    assert "5 × 7 output" in picture.alt
