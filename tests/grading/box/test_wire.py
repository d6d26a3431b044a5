"""What crosses the border, and what does not."""

import math
import socket

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coursekit.grading.box import wire

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**900), 2**900) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=10,
)


def there(value):
    """The value after a journey through a real socket."""
    left, right = socket.socketpair()
    packer = wire.Packer()
    with left, right:
        wire.send(left, {"value": packer.pack(value)}, packer.buffers)
        message, buffers = wire.receive(right)
    return wire.Unpacker(buffers).unpack(message["value"])


def alike(left, right):
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(alike(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


@given(plain)
@settings(max_examples=100, deadline=None)
def test_plain_values_arrive_as_they_are(value):
    assert alike(value, there(value))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4)])
def test_tensors_arrive_as_they_are(dtype, shape):
    x = (10 * torch.rand(shape)).to(dtype)
    got = there(x)
    assert got.dtype == dtype
    assert torch.equal(got, x)


def test_a_view_keeps_its_strides():
    x = torch.rand(2, 3, 4).permute(2, 0, 1)
    got = there(x)
    assert torch.equal(got, x)
    assert got.stride() == x.stride()
    assert not got.is_contiguous()


def test_arrays_and_their_scalars_stay_numpy():
    got = there({"a": np.arange(6).reshape(2, 3), "s": np.float32(0.5)})
    assert np.array_equal(got["a"], np.arange(6).reshape(2, 3))
    assert type(got["s"]) is np.float32


class Always:
    def __eq__(self, other):
        return True

    __hash__ = object.__hash__


class Loud(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


@pytest.mark.parametrize("value", [Always(), lambda: 1, {1}, 1j, torch.zeros(2, dtype=torch.complex64), b"x"])
def test_nothing_of_another_kind_arrives_but_its_name(value):
    got = there(value)
    assert isinstance(got, wire.Foreign)
    assert got != value or isinstance(value, Always)
    with pytest.raises(TypeError):
        float(got)


def test_subclasses_arrive_as_their_plain_kind():
    assert type(there(Loud("x"))) is str
    assert type(there(torch.nn.Parameter(torch.ones(2)))) is torch.Tensor


def test_what_is_nested_without_end_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(wire.WireError, match="nested"):
        wire.Packer().pack(endless)


@pytest.mark.parametrize(
    "lie",
    [
        {"t": "tensor", "dtype": "float32", "shape": [10**9], "stride": [1], "b": 0},
        {"t": "tensor", "dtype": "object", "shape": [1], "stride": [1], "b": 0},
        {"t": "tensor", "dtype": "float32", "shape": [1], "stride": [1], "b": 7},
        {"t": "array", "dtype": "object", "shape": [1], "b": 0},
        {"t": "module"},
        {"t": "list", "v": 5},
        ["a", "bare", "list"],
    ],
)
def test_lies_are_errors_and_nothing_else(lie):
    with pytest.raises((wire.WireError, KeyError, TypeError, ValueError, IndexError, RuntimeError)):
        wire.Unpacker([b"\0" * 4]).unpack(lie)


@pytest.mark.parametrize(
    "noise", [b"\xff" * 100, b"\0" * 15 + b"\x05" + b"\0" * 50, (20).to_bytes(8, "big") * 2 + b"x" * 40]
)
def test_noise_is_refused(noise):
    left, right = socket.socketpair()
    with left, right:
        left.sendall(noise)
        left.close()
        with pytest.raises((wire.WireError, EOFError)):
            wire.receive(right)
