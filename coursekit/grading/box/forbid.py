"""Take forbidden calls out of a process, so that an answer which evades the watch still does not get their results.

PyTorch's operators are replaced in the dispatcher, below Python: another name, a thread, a script or a disabled mode
all end there. Functions of the reference library lose their code. Two families stay, because an ordinary convolution
needs them for its gradient: the derivative of a convolution, and fold. Those are only watched.
"""

import ctypes
import gc
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import coursekit
from coursekit.exercises import watch
from coursekit.exercises.watch import Ban

_FORBIDDEN = "this exercise asks you to write it yourself"
_NEEDED_FOR_GRADIENTS = (watch.DIFFERENTIATED_CONVOLUTION.title, watch.FOLD.title)
_functions: list[FunctionType] = []
_SIDE_DOORS = ("aten::to_mkldnn", "aten::quantize_per_tensor", "aten::quantize_per_channel")  # to other kernels


def forbid(bans: Iterable[Ban]) -> None:
    """Take these calls out of this process, for good."""
    bans = [ban for ban in bans if ban.title not in _NEEDED_FOR_GRADIENTS]
    folders = tuple(folder for ban in bans for folder in ban.folders)
    if folders:
        _empty_functions(folders)
    names = [n for n in torch._C._dispatch_get_all_op_names() if any(b.operator(n.partition(".")[0], ()) for b in bans)]
    if names:
        _replace_operators(dict.fromkeys((*names, *_SIDE_DOORS), _forbidden))
    if any(ban.title == watch.TRANSPOSED_CONVOLUTION.title for ban in bans):
        torch._C._set_mkldnn_enabled(False)
        slow = dict.fromkeys(("aten::slow_conv_transpose2d", "aten::slow_conv_transpose3d"), _forbidden)
        _replace_operators({"aten::_convolution": _ordinary_convolution, **slow})


def watch_of_gradients(bans: Iterable[Ban]) -> watch.Watch:
    """The watch while gradients are computed, in which an ordinary convolution may use its own derivative."""
    return watch.Watch([ban for ban in bans if ban.title not in _NEEDED_FOR_GRADIENTS])


def list_functions() -> None:
    """Note the package's functions, once in the warm process: to look for them takes longer than a fork."""
    package = f"{Path(coursekit.__file__).parent}{os.sep}"
    everything = [thing for thing in gc.get_objects() if type(thing) is FunctionType]
    _functions.extend(function for function in everything if function.__code__.co_filename.startswith(package))


def _empty_functions(folders: tuple[str, ...]) -> None:
    for function in _functions:
        code = function.__code__
        if code.co_filename.startswith(folders):
            empty = _enclosing(len(code.co_freevars)).__code__
            function.__code__ = empty.replace(co_filename=code.co_filename, co_name=code.co_name)


def _enclosing(count: int) -> FunctionType:
    """A function that only raises, over so many variables of an enclosing one: it can take the place of any code."""
    names = [f"v{number}" for number in range(count)]
    lines = [
        "def outer():",
        *(f"    {name} = None" for name in names),
        "    def gone(*args, **kwargs):",
        *(f"        {name}" for name in names),
        f"        raise RuntimeError({_FORBIDDEN!r})",
        "    return gone",
    ]
    space: dict[str, Any] = {}
    exec("\n".join(lines), space)
    made: FunctionType = space["outer"]()
    return made


def _replace_operators(replaced: dict[str, Callable[..., Any]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for space in {name.partition("::")[0] for name in replaced}:
            library = torch._C._dispatch_library("IMPL", space, "CPU", __file__, 0)
            for name, function in replaced.items():
                if name.startswith(f"{space}::"):
                    library.impl(name.partition("::")[2], "CPU", function)
            # The replacement would end with this object. It is kept where nobody can find it.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))


def _forbidden(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError(_FORBIDDEN)


def _ordinary_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    *switches: bool,
) -> Tensor:
    """The general convolution, which also makes transposed ones, without that; as a product with unfolded windows."""
    if transposed:
        raise RuntimeError(_FORBIDDEN)
    if weight.ndim == 3:
        flat = _ordinary_convolution(
            *(x[:, :, None], weight[:, :, None], bias, [1, *stride], [0, *padding], [1, *dilation]),
            *(False, output_padding, groups),
        )
        return flat[:, :, 0]
    n, _, *size = x.shape
    kernel = tuple(weight.shape[2:])
    out = [(s + 2 * p - d * (k - 1) - 1) // t + 1 for s, p, d, k, t in zip(size, padding, dilation, kernel, stride)]
    if min(out) < 1:
        raise RuntimeError(f"Kernel size {kernel} can't be greater than the input's {tuple(size)}")
    windows = F.unfold(x, kernel, tuple(dilation), tuple(padding), tuple(stride))
    windows = windows.reshape(n, groups, -1, windows.shape[-1])
    flat_weight = weight.reshape(groups, weight.shape[0] // groups, -1)
    result = (flat_weight @ windows).reshape(n, weight.shape[0], *out)
    return result if bias is None else result + bias[:, None, None]
