import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from coursekit.ops import bed_of_nails, max_pool_with_indices, max_unpool, nearest_unpool

SLIDE = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
SCALES = [1, 2, 3, (2, 3), (1, 4)]


def random_picture(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_1_1_nearest_neighbour_on_the_slide():
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert nearest_unpool(SLIDE, 2)[0, 0].tolist() == expected


@pytest.mark.parametrize("scale", SCALES)
def test_nearest_unpool_is_interpolate_kron_and_a_transposed_convolution(scale):
    x = random_picture(2, 3, 2, 3)
    down, across = (scale, scale) if isinstance(scale, int) else scale
    out = nearest_unpool(x, scale)
    assert out.dtype == torch.float64
    assert torch.equal(out, F.interpolate(x, scale_factor=(down, across), mode="nearest"))
    assert np.array_equal(out[1, 2].numpy(), np.kron(x[1, 2].numpy(), np.ones((down, across))))
    ones = x.new_ones(3, 1, down, across)
    assert torch.equal(out, F.conv_transpose2d(x, ones, stride=(down, across), groups=3))


def test_1_2_bed_of_nails_on_the_slide():
    expected = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    assert bed_of_nails(SLIDE, 2)[0, 0].tolist() == expected


@pytest.mark.parametrize("scale", SCALES)
def test_bed_of_nails_is_a_transposed_convolution_with_one_nail(scale):
    x = random_picture(2, 3, 4, 5)
    down, across = (scale, scale) if isinstance(scale, int) else scale
    nail = x.new_zeros(3, 1, down, across)
    nail[..., 0, 0] = 1
    assert torch.equal(bed_of_nails(x, scale), F.conv_transpose2d(x, nail, stride=(down, across), groups=3))


def test_1_3_max_pooling_and_unpooling_on_the_slide():
    x = torch.tensor([[1.0, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]])[None, None]
    pooled, indices = max_pool_with_indices(x, 2)
    assert pooled[0, 0].tolist() == [[5, 6], [7, 8]]
    assert indices[0, 0].tolist() == [[5, 2], [12, 15]]
    unpooled = max_unpool(SLIDE, indices, (4, 4))
    assert unpooled[0, 0].tolist() == [[0, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 0], [3, 0, 0, 4]]


@pytest.mark.parametrize("size", [(4, 6), (5, 5), (7, 10)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (2, 3), (4, 1)])
def test_pooling_and_unpooling_equal_torch(size, kernel_size):
    x = random_picture(2, 3, *size)
    pooled, indices = max_pool_with_indices(x, kernel_size)
    expected, expected_indices = F.max_pool2d(x, kernel_size, return_indices=True)
    assert torch.equal(pooled, expected)
    assert torch.equal(indices, expected_indices)
    assert indices.dtype == torch.int64
    assert torch.equal(
        max_unpool(pooled, indices, size), F.max_unpool2d(pooled, indices, kernel_size, output_size=size)
    )


def test_1_3_ties_take_the_first_in_row_order():
    assert max_pool_with_indices(torch.full((1, 1, 2, 2), 5.0), 2)[1].item() == 0
    assert max_pool_with_indices(torch.tensor([[[[1.0, 5], [5, 5]]]]), 2)[1].item() == 1


def test_1_3_nan_wins():
    pooled, index = max_pool_with_indices(torch.tensor([[[[1.0, 5], [torch.nan, 7]]]]), 2)
    assert pooled.isnan().all()
    assert index.item() == 2


def test_1_3_odd_size_needs_the_size_before_pooling():
    pooled, indices = max_pool_with_indices(torch.arange(25.0).view(1, 1, 5, 5), 2)
    out = max_unpool(pooled, indices, (5, 5))[0, 0]
    assert {(r, c): out[r, c].item() for r, c in out.nonzero().tolist()} == {
        (1, 1): 6,
        (1, 3): 8,
        (3, 1): 16,
        (3, 3): 18,
    }
    with pytest.raises(ValueError, match=r"indices run from 6 to 18, but 4 × 4 pixels.*output_size"):
        max_unpool(pooled, indices, (4, 4))


def test_1_3_overlapping_windows_keep_one_value_never_the_sum():
    x = torch.tensor([[[[1.0, 2, 3, 4]]]], requires_grad=True)
    out = max_unpool(x, torch.full((1, 1, 1, 4), 4), (3, 3))
    assert out[0, 0, 1, 1].item() in {1, 2, 3, 4}
    assert out.sum().item() == out[0, 0, 1, 1].item()
    out.sum().backward()
    assert x.grad.sum().item() == 1
    assert (x * x.grad).sum().item() == out.sum().item()


@pytest.mark.parametrize("index", [-1, 4])
def test_an_index_just_outside_is_an_error(index):
    with pytest.raises(ValueError, match=f"run from {index} to {index}, but 2 × 2 pixels have the positions 0 to 3"):
        max_unpool(torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), index), (2, 2))


def test_values_and_indices_of_two_shapes_are_an_error():
    with pytest.raises(ValueError, match="must have one shape"):
        max_unpool(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 1, 1, dtype=torch.int64), (4, 4))


@pytest.mark.parametrize("scale", [0, (2, -1), (1, 2, 3)])
@pytest.mark.parametrize("unpool", [nearest_unpool, bed_of_nails])
def test_impossible_scales_are_errors(unpool, scale):
    with pytest.raises(ValueError, match="scale is a number or a pair"):
        unpool(SLIDE, scale)


def test_kernel_larger_than_the_picture_is_an_error():
    with pytest.raises(ValueError, match="larger than the picture, 2 × 2"):
        max_pool_with_indices(SLIDE, 3)


def test_gradients():
    x = random_picture(2, 2, 4, 5).requires_grad_()
    indices = max_pool_with_indices(x, 2)[1]
    assert gradcheck(lambda x: nearest_unpool(x, (2, 3)), x)
    assert gradcheck(lambda x: bed_of_nails(x, (2, 3)), x)
    assert gradcheck(lambda x: max_pool_with_indices(x, 2)[0], x)
    assert gradcheck(lambda x: max_unpool(x[..., :2, :2], indices, (4, 5)), x)
