"""The language spoken across the border of the box: JSON for the structure, raw bytes for the arrays.

Nothing of it can carry code: numbers, texts, plain containers and dense arrays, all of bounded size. What is none of
these crosses as a `Foreign`, of which only the type's name is known, or as a `Handle` on an object that stays where
it is.
"""

import json
import math
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MOST_BYTES = 256 * 2**20  # of arrays
MOST_WORDS = 16 * 2**20  # of structure, which takes many times as much room once it is read
MOST_TEXT = 10_000
MOST_DEPTH = 40
_HEAD = struct.Struct("!QQ")
_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in (*_FLOATS, *_WHOLE)}
_NUMPY = {str(np.dtype(code)): np.dtype(code) for code in "d f e ? b h i q B H I Q".split()}  # noqa: SIM905


class WireError(Exception):
    """What came over the border is not in the language, or larger than allowed."""


@dataclass(frozen=True)
class Handle:
    """An object that stays on the other side: "function", "module", or a "given" network of the checks' own."""

    kind: str
    number: int
    facts: Any = None


class Foreign:
    """Something that cannot cross; a subclass of this, made on arrival, has its type's name."""


def foreign(name: str) -> Foreign:
    made: Foreign = type(name if name.isidentifier() else "object", (Foreign,), {})()
    return made


@dataclass
class Packer:
    """Values → JSON and buffers.

    `tensor` may add facts to what is said of a tensor; `handle` turns an object that stays here into a Handle, or None.
    """

    tensor: Callable[[Tensor], dict[str, Any]] = lambda tensor: {}
    handle: Callable[[Any], Handle | None] = lambda value: None
    buffers: list[bytes] = field(default_factory=list)

    def pack(self, value: Any, depth: int = 0) -> Any:
        if depth > MOST_DEPTH:
            raise WireError("containers are nested too deeply")
        handle = self.handle(value)
        if handle is not None:
            facts = self.pack(handle.facts, depth + 1)
            return {"t": "handle", "kind": handle.kind, "number": handle.number, "facts": facts}
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, np.ndarray | np.generic):
            return self._numpy(value)
        if isinstance(value, list | tuple | dict):
            return self._container(value, depth)
        return self._plain(value)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, str):
            return str.__str__(value)[:MOST_TEXT]
        if isinstance(value, float):
            number = float.__float__(value)
            return number if math.isfinite(number) else {"t": "float", "v": repr(number)}
        small = isinstance(value, int) and int.bit_length(value) < 1024
        if value is None or isinstance(value, bool) or small:
            return value if value is None or isinstance(value, bool) else int.__int__(value)
        return {"t": "foreign", "name": type(value).__name__[:80]}

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            pairs = [[self.pack(k, depth + 1), self.pack(v, depth + 1)] for k, v in dict.items(value)]
            return {"t": "dict", "v": pairs}
        items = list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)
        kind = "list" if isinstance(value, list) else "tuple"
        return {"t": kind, "v": [self.pack(item, depth + 1) for item in items]}

    def _tensor(self, value: Tensor) -> Any:
        if nn.parameter.is_lazy(value):
            return {"t": "foreign", "name": "UninitializedParameter"}
        plain = value.detach().as_subclass(Tensor)
        name = str(plain.dtype).removeprefix("torch.")
        if (
            plain.layout != torch.strided
            or name not in _DTYPES
            or isinstance(value, nn.parameter.UninitializedParameter)
        ):
            return {"t": "foreign", "name": "Tensor"}
        facts = {"t": "tensor", "dtype": name, "shape": list(plain.shape), "stride": list(plain.stride())}
        self.buffers.append(plain.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return {**facts, "b": len(self.buffers) - 1, **self.tensor(value)}

    def _numpy(self, value: Any) -> Any:
        array = np.asarray(value)
        if array.dtype.name not in _NUMPY:
            return {"t": "foreign", "name": type(value).__name__[:80]}
        self.buffers.append(np.ascontiguousarray(array).tobytes())
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {"t": kind, "dtype": array.dtype.name, "shape": list(array.shape), "b": len(self.buffers) - 1}


@dataclass
class Unpacker:
    """JSON and buffers → values. `tensor` sees each tensor with the facts that came with it, `handle` each Handle."""

    buffers: list[bytes]
    tensor: Callable[[Tensor, dict[str, Any]], Tensor] = lambda tensor, facts: tensor
    handle: Callable[[Handle], Any] = lambda handle: handle

    def unpack(self, value: Any, depth: int = 0) -> Any:
        if depth > MOST_DEPTH:
            raise WireError("containers are nested too deeply")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        kind = value.get("t") if isinstance(value, dict) else None
        if kind in ("list", "tuple", "dict"):
            return self._container(kind, value["v"], depth + 1)
        if kind == "handle":
            facts = self.unpack(value["facts"], depth + 1)
            return self.handle(Handle(str(value["kind"]), int(value["number"]), facts))
        return self._leaf(kind, value)

    def _container(self, kind: str, content: Any, depth: int) -> Any:
        if kind == "dict":
            return {self.unpack(k, depth): self.unpack(v, depth) for k, v in content}
        items = (self.unpack(item, depth) for item in content)
        return list(items) if kind == "list" else tuple(items)

    def _leaf(self, kind: str | None, value: Any) -> Any:
        match kind:
            case "tensor":
                return self.tensor(self._tensor(value), value)
            case "array" | "scalar":
                array = np.frombuffer(self._buffer(value), dtype=_NUMPY[value["dtype"]]).reshape(value["shape"]).copy()
                return array if kind == "array" else array[()]
            case "float":
                return float(value["v"])
            case "foreign":
                return foreign(str(value["name"]))
        raise WireError("a value of no known form")

    def _buffer(self, value: dict[str, Any]) -> bytes:
        return self.buffers[int(value["b"])]

    def _tensor(self, value: dict[str, Any]) -> Tensor:
        dtype, shape, stride = _DTYPES[value["dtype"]], value["shape"], value["stride"]
        data = self._buffer(value)
        if not data:
            return torch.empty(shape, dtype=dtype)
        flat = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(dtype).reshape(shape)
        if list(flat.stride()) == list(stride) or not _dense(shape, stride):
            return flat
        return torch.empty_strided(shape, stride, dtype=dtype).copy_(flat)


def _dense(shape: list[int], stride: list[int]) -> bool:
    """Whether these strides lay out every element once, without gaps: nothing else is rebuilt on arrival."""
    expected = 1
    for step, size in sorted((s, n) for s, n in zip(stride, shape) if n != 1):
        if step != expected:
            return False
        expected *= size
    return True


def send(channel: socket.socket, message: dict[str, Any], buffers: list[bytes]) -> None:
    """Raises WireError where the message is larger than allowed, OSError where the other side is gone."""
    if sum(map(len, buffers)) > MOST_BYTES:
        raise WireError(f"arrays of more than {MOST_BYTES // 2**20} MB")
    head = json.dumps({"message": message, "sizes": list(map(len, buffers))}).encode()
    if len(head) > MOST_WORDS:
        raise WireError(f"a message of more than {MOST_WORDS // 2**20} MB beside its arrays")
    channel.sendall(_HEAD.pack(len(head), sum(map(len, buffers))) + head)
    for buffer in buffers:
        channel.sendall(buffer)


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[bytes]]:
    """The next message and its buffers.

    Raises:
        EOFError: the other side is gone.
        WireError: it does not speak the language.
    """
    head_size, body_size = _HEAD.unpack(_exactly(channel, _HEAD.size))
    if head_size > MOST_WORDS or body_size > MOST_BYTES:
        raise WireError(f"more than {MOST_WORDS // 2**20} MB of structure or {MOST_BYTES // 2**20} MB of arrays")
    try:
        head = json.loads(_exactly(channel, head_size))
        message, sizes = head["message"], [int(size) for size in head["sizes"]]
        if not isinstance(message, dict) or sum(sizes) != body_size or any(size < 0 for size in sizes):
            raise WireError("a message of no known form")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise WireError("a message of no known form") from error
    return message, [_exactly(channel, size) for size in sizes]


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view, got = memoryview(data), 0
    while got < size:
        count = channel.recv_into(view[got:])
        if not count:
            raise EOFError("the other side has closed the channel")
        got += count
    return bytes(data)
