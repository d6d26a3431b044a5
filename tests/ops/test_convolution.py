import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from coursekit.ops import bilinear_kernel, conv1d_matrix, conv2d_matrix, conv_transpose2d, overlap_count

XYZ = torch.tensor([1.0, 2, 3])
SQUARE = torch.tensor([[[[0.0, 1], [2, 3]]]])


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def transpose_row(a, kernel, **options):
    """A 1-D transposed convolution, as a picture of one row."""
    return conv_transpose2d(torch.tensor(a, dtype=torch.float)[None, None, None], kernel[None, None, None], **options)


# --- 1.4: the matrix ---


def test_1_4_the_matrix_of_the_slide():
    matrix = conv1d_matrix(XYZ, 4, padding=1)
    assert matrix.tolist() == [[2, 3, 0, 0], [1, 2, 3, 0], [0, 1, 2, 3], [0, 0, 1, 2]]
    assert (matrix @ torch.tensor([1.0, 2, 3, 4])).tolist() == [8, 14, 20, 11]


def test_1_4_the_slides_x_multiplies_the_padded_vector_so_its_transpose_returns_six():
    matrix = conv1d_matrix(XYZ, 6)
    a = torch.tensor([1.0, 2, 3, 4])
    assert (matrix @ F.pad(a, (1, 1))).tolist() == [8, 14, 20, 11]
    assert (matrix.T @ a).tolist() == [1, 4, 10, 16, 17, 12]
    assert (conv1d_matrix(XYZ, 4, padding=1).T @ a).tolist() == [4, 10, 16, 17]


def test_1_4_stride_two():
    assert (conv1d_matrix(XYZ, 6, stride=2).T @ torch.tensor([1.0, 2])).tolist() == [1, 2, 5, 4, 6, 0]


def test_1_7_the_transpose_is_no_inverse():
    matrix, a = conv1d_matrix(XYZ, 6), torch.tensor([1.0, 2, 3, 4, 5, 6])
    assert not torch.allclose(matrix.T @ (matrix @ a), a)


@pytest.mark.parametrize("length", [5, 8])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_conv1d_matrix_is_conv1d_and_its_transpose(length, size, stride, padding):
    kernel, a = random(size), random(length, seed=1)
    matrix = conv1d_matrix(kernel, length, stride, padding)
    expected = F.conv1d(a[None, None], kernel[None, None], stride=stride, padding=padding)[0, 0]
    torch.testing.assert_close(matrix @ a, expected)
    y = random(len(expected), seed=2)
    back = F.conv_transpose1d(y[None, None], kernel[None, None], stride=stride, padding=padding)[0, 0]
    torch.testing.assert_close((matrix.T @ y)[: len(back)], back)


@pytest.mark.parametrize("stride", [1, 2, (1, 3)])
@pytest.mark.parametrize("padding", [0, 1, (2, 0)])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 4)], ids="{0[0]}x{0[1]}".format)
def test_conv2d_matrix_is_conv2d(size, stride, padding):
    kernel, picture = random(*size), random(5, 7, seed=1)
    matrix = conv2d_matrix(kernel, 5, 7, stride, padding)
    expected = F.conv2d(picture[None, None], kernel[None, None], stride=stride, padding=padding)[0, 0]
    torch.testing.assert_close(matrix @ picture.flatten(), expected.flatten())


def test_conv2d_matrix_transposed_is_the_transposed_convolution():
    kernel, y = random(3, 2), random(4, 2, seed=1)
    matrix = conv2d_matrix(kernel, 7, 5, stride=2, padding=(1, 0))
    assert matrix.shape == (4 * 2, 7 * 5)
    out = conv_transpose2d(y[None, None], kernel[None, None], stride=2, padding=(1, 0), output_padding=(0, 1))
    torch.testing.assert_close((matrix.T @ y.flatten()).view(7, 5), out[0, 0])


def test_whole_number_kernels_stay_whole():
    assert conv1d_matrix(torch.tensor([1, 2, 3]), 4).dtype == torch.int64
    assert conv2d_matrix(torch.ones(2, 2, dtype=torch.int64), 3, 3).tolist() == [
        [1, 1, 0, 1, 1, 0, 0, 0, 0],
        [0, 1, 1, 0, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 1, 0, 1, 1, 0],
        [0, 0, 0, 0, 1, 1, 0, 1, 1],
    ]


@pytest.mark.parametrize(
    "make", [lambda: conv1d_matrix(XYZ, 2), lambda: conv2d_matrix(torch.ones(3, 2), 2, 5)], ids=["1d", "2d"]
)
def test_a_kernel_that_does_not_fit_is_an_error(make):
    with pytest.raises(ValueError, match="kernel of 3 does not fit into 2 values with padding 0"):
        make()


# --- 1.4: transposed convolution ---


@pytest.mark.parametrize(
    ("a", "options", "expected"),
    [
        ([1, 2, 3, 4], {}, [1, 4, 10, 16, 17, 12]),
        ([1, 2, 3, 4], {"padding": (0, 1)}, [4, 10, 16, 17]),
        ([1, 2], {"stride": (1, 2)}, [1, 2, 5, 4, 6]),
        ([1, 2], {"stride": (1, 2), "padding": (0, 1)}, [2, 5, 4]),
        ([1, 2], {"stride": (1, 2), "padding": (0, 1), "output_padding": (0, 1)}, [2, 5, 4, 6]),
        ([1, 2], {"stride": (1, 2), "output_padding": (0, 1)}, [1, 2, 5, 4, 6, 0]),
        ([1, 2], {"dilation": (1, 2)}, [1, 2, 2, 4, 3, 6]),
        ([1, 2], {"stride": (1, 2), "dilation": (1, 2), "padding": (0, 1)}, [0, 4, 0, 7, 0]),
    ],
    ids=["slide", "slide p1", "s2", "s2 p1", "s2 p1 op1", "s2 op1", "d2", "s2 d2 p1"],
)
def test_1_4_in_one_dimension(a, options, expected):
    assert transpose_row(a, XYZ, **options).flatten().tolist() == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[0, 0, 1], [0, 4, 6], [4, 12, 9]]),
        ({"padding": 1}, [[4]]),
        ({"stride": 2}, [[0, 0, 0, 1], [0, 0, 2, 3], [0, 2, 0, 3], [4, 6, 6, 9]]),
    ],
    ids=["s1", "p1", "s2"],
)
def test_1_4_in_two_dimensions(options, expected):
    assert conv_transpose2d(SQUARE, SQUARE, **options)[0, 0].tolist() == expected


def test_1_4_groups():
    weight = torch.arange(1.0, 9).view(4, 1, 1, 2)
    out = conv_transpose2d(torch.ones(1, 4, 1, 1), weight, groups=2)
    assert out[0].flatten(1).tolist() == [[4, 6], [12, 14]]


GEOMETRIES = [
    (kernel, stride, padding, output_padding, dilation)
    for kernel, stride, padding, output_padding, dilation in itertools.product(
        [(1, 1), (3, 3), (4, 2)], [(1, 1), (2, 2), (3, 1)], [(0, 0), (1, 0)], [(0, 0), (1, 1), (1, 0)], [(1, 1), (1, 3)]
    )
    if np.less(output_padding, np.maximum(stride, dilation)).all()
]


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_conv_transpose2d_is_torchs(groups):
    x, bias = random(2, 4, 3, 4), random(3 * groups, seed=2)
    for kernel, stride, padding, output_padding, dilation in GEOMETRIES:
        options = (stride, padding, output_padding)
        weight = random(4, 3, *kernel, seed=1)
        expected = F.conv_transpose2d(x, weight, bias, *options, groups, dilation)
        seen = conv_transpose2d(x, weight, bias, *options, dilation, groups)
        torch.testing.assert_close(seen, expected, msg=lambda m: f"{kernel=} {options=} {dilation=}: {m}")  # noqa: B023


def test_conv_transpose2d_without_bias_keeps_float32_and_its_inputs():
    x, weight = random(1, 2, 3, 3).float(), random(2, 3, 3, 3, seed=1).float()
    before = x.clone(), weight.clone()
    out = conv_transpose2d(x, weight, stride=2)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, F.conv_transpose2d(x, weight, stride=2))
    assert torch.equal(x, before[0])
    assert torch.equal(weight, before[1])


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_1_4_it_is_the_adjoint_of_convolution(groups, dilation):
    """⟨conv x, y⟩ = ⟨x, conv_transpose y⟩ with one weight tensor: k3 s2 p1 on 8 × 8 needs output padding 1."""
    x, weight = random(2, 4, 8, 8), random(6, 4 // groups, 3, 3, seed=1)
    geometry = {"stride": 2, "padding": 1, "dilation": dilation, "groups": groups}
    forward = F.conv2d(x, weight, **geometry)
    y = random(*forward.shape, seed=2)
    back = conv_transpose2d(y, weight, output_padding=1, **geometry)
    torch.testing.assert_close((forward * y).sum(), (x * back).sum())
    without = conv_transpose2d(y, weight, **geometry)
    assert without.shape[2:] == (7, 7)


@pytest.mark.parametrize("geometry", [(1, 0, 0, 1, 1), ((2, 1), (1, 0), (1, 0), 1, 2), (2, 1, 1, (1, 2), 1)])
def test_conv_transpose2d_gradients(geometry):
    inputs = [random(1, 2, 3, 2), random(2, 1, 3, 3, seed=1), random(geometry[-1], seed=2)]
    assert gradcheck(lambda *t: conv_transpose2d(*t, *geometry), [t.requires_grad_() for t in inputs])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_padding": 1}, "output_padding 1 must be smaller than stride 1 or dilation 1"),
        ({"output_padding": (0, 2), "stride": 2}, r"output_padding \(0, 2\)"),
        ({"padding": 3}, "crops all of the 4 × 4 canvas"),
        ({"groups": 3}, "the groups divide the channels"),
        ({"stride": 0}, "stride is a number or a pair"),
        ({"padding": -1}, "padding is a number or a pair"),
    ],
)
def test_impossible_geometries_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        conv_transpose2d(torch.ones(1, 2, 2, 2), torch.ones(2, 1, 3, 3), **options)


def test_the_weight_of_a_convolution_is_an_error():
    with pytest.raises(ValueError, match=r"x has 2 channels, the weight \(5, 2, 3, 3\) takes 5"):
        conv_transpose2d(torch.ones(1, 2, 4, 4), torch.ones(5, 2, 3, 3))


# --- 1.5: FCN's bilinear kernel ---


@pytest.mark.parametrize(
    ("size", "row"), [(1, [1.0]), (2, [0.5, 0.5]), (3, [0.5, 1, 0.5]), (4, [0.25, 0.75, 0.75, 0.25])]
)
def test_1_5_the_triangle(size, row):
    kernel = bilinear_kernel(1, size)[0, 0]
    torch.testing.assert_close(kernel, torch.outer(torch.tensor(row), torch.tensor(row)))


@pytest.mark.parametrize(("size", "total"), [(4, 4), (16, 64), (64, 1024)])
def test_1_5_the_sum_is_the_factor_squared(size, total):
    assert bilinear_kernel(1, size).sum().item() == pytest.approx(total)


def test_1_5_the_channel_diagonal_only():
    kernel = bilinear_kernel(3, 4)
    assert kernel.shape == (3, 3, 4, 4)
    for i, j in itertools.product(range(3), range(3)):
        assert kernel[i, j].any().item() == (i == j)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_1_5_it_is_bilinear_interpolation_inside(factor):
    x = random(1, 2, 6, 7)
    size, padding = 2 * factor - factor % 2, (factor - factor % 2) // 2
    up = conv_transpose2d(x, bilinear_kernel(2, size).double(), stride=factor, padding=padding)
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    inside = (..., slice(factor, 5 * factor), slice(factor, 6 * factor))
    torch.testing.assert_close(up[inside], expected[inside], rtol=1e-6, atol=1e-6)


def test_1_5_the_border_is_not_but_for_replicated_padding():
    ones = torch.ones(1, 1, 4, 4)
    options = {"stride": 2, "padding": 1}
    assert conv_transpose2d(ones, bilinear_kernel(1, 4), **options)[0, 0, 0, 0].item() == 0.5625
    x = random(1, 1, 4, 5)
    replicated = F.pad(x, (1, 1, 1, 1), mode="replicate")
    up = conv_transpose2d(replicated, bilinear_kernel(1, 4).double(), **options)[..., 2:-2, 2:-2]
    expected = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(up, expected, rtol=0, atol=1e-12)


# --- 1.6: the checkerboard ---


@pytest.mark.parametrize(
    ("kernel_size", "expected"),
    [
        (3, [1, 1, 2, 1, 2, 1, 2, 1, 1]),
        (4, [1, 1, 2, 2, 2, 2, 2, 2, 1, 1]),
        (5, [1, 1, 2, 2, 3, 2, 3, 2, 2, 1, 1]),
        (2, [1] * 8),
    ],
    ids="k{}s2".format,
)
def test_1_6_overlap_counts(kernel_size, expected):
    assert overlap_count(4, kernel_size, 2).tolist() == expected


def test_1_6_the_interior_tile_in_two_dimensions():
    count = overlap_count(6, 3, 2)
    assert torch.outer(count, count)[4:6, 4:6].tolist() == [[4, 2], [2, 1]]


@pytest.mark.parametrize(("length", "kernel_size", "stride"), [(1, 3, 2), (5, 1, 1), (4, 2, 3), (3, 7, 2)])
def test_overlap_count_is_a_transposed_convolution_of_ones(length, kernel_size, stride):
    ones = torch.ones(1, 1, length), torch.ones(1, 1, kernel_size)
    assert (
        overlap_count(length, kernel_size, stride).tolist() == F.conv_transpose1d(*ones, stride=stride)[0, 0].tolist()
    )


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel_size", [4, 5, 6, 7, 8])
def test_1_6_even_inside_exactly_when_the_stride_divides_the_kernel(kernel_size, stride):
    inside = overlap_count(12, kernel_size, stride)[kernel_size:-kernel_size]
    assert (inside.min() == inside.max()).item() == (kernel_size % stride == 0)
