"""See which calls an answer makes: an exercise may ask to write one of them oneself.

PyTorch's dispatcher sees every operator, whatever name or module it was reached by; its function mode sees those that
dissolve into others before the dispatcher, such as cross_entropy of probabilities; Python's profiler sees calls into
the reference library. All of them watch only while the answer's own code runs, in the threads that it starts too.
"""

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_PACKAGE = Path(__file__).parents[1]
_CHECKS = tuple(f"{folder}{os.sep}" for folder in (_PACKAGE / "exercises").glob("a[0-9]*"))  # hold right answers too


@dataclass(frozen=True)
class Ban:
    """A family of calls.

    `operator` tells from the name and the arguments of an ATen operator, or of a function of PyTorch's, whether it
    belongs to it; of one that may belong to it, it says so when all arguments are True. `folders` are beginnings of the
    paths of Python files whose functions belong to it.
    """

    title: str
    operator: Callable[[str, tuple[Any, ...]], bool] = lambda name, args: False
    folders: tuple[str, ...] = ()


_ACCUSING = (True,) * 20  # arguments that a ban holds against any operator whose arguments it looks at


def _is_transposed(name: str, args: tuple[Any, ...]) -> bool:
    """The general convolution carries `transposed` as its seventh argument."""
    general = name.endswith(("::convolution", "::_convolution", "::convolution_overrideable"))
    named = "conv_transpose" in name or "convolution_transpose" in name
    return named or (general and len(args) > 6 and bool(args[6]))


def _reference(folder: str) -> Ban:
    return Ban(f"the reference in coursekit.{folder}", folders=(f"{_PACKAGE / folder}{os.sep}", *_CHECKS))


def _files_of(package: str, *files: str) -> tuple[str, ...]:
    """The paths of files of an installed package, which is not imported for it."""
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found else None
    return tuple(str(Path(folder, *file.split("/"))) for folder in folders or () for file in files)


INTERPOLATION = Ban("interpolate or Upsample", lambda name, args: "upsample" in name)
TRANSPOSED_CONVOLUTION = Ban("PyTorch's transposed convolution", _is_transposed)
MAX_POOLING = Ban("PyTorch's max pooling", lambda name, args: "max_pool" in name and "backward" not in name)
MAX_UNPOOLING = Ban("PyTorch's max unpooling", lambda name, args: "max_unpool" in name and "backward" not in name)
DIFFERENTIATED_CONVOLUTION = Ban(
    "the derivative of a convolution", lambda name, args: "convolution" in name and "backward" in name
)
FOLD = Ban("fold", lambda name, args: "col2im" in name)
CROSS_ENTROPY = Ban(
    "PyTorch's cross_entropy or nll_loss",
    lambda name, args: (
        name.split("::")[-1].startswith(("cross_entropy", "linear_cross_entropy", "nll_loss"))
        and "backward" not in name
    ),
)
ROI_ALIGN = Ban(
    "torchvision's roi_align",
    lambda name, args: "roi_align" in name and "backward" not in name,
    folders=_files_of("torchvision", "ops/roi_align.py", "ops/poolers.py"),  # holds one in Python too
)
REFERENCE_OPS = _reference("ops")
REFERENCE_MODELS = _reference("models")
REFERENCE_LOSSES = _reference("losses")
REFERENCE_METRICS = _reference("metrics")
CHECKS = Ban("the code of the checks", folders=_CHECKS)


class Watch:
    """Collects the titles of the banned calls made inside its `with` block."""

    def __init__(self, bans: Iterable[Ban]) -> None:
        self.bans = tuple(bans)
        self.folders = tuple((folder, ban.title) for ban in self.bans for folder in ban.folders)
        self.seen: set[str] = set()
        self._beginnings = tuple(folder for folder, _ in self.folders)
        self._suspects: dict[str, tuple[Ban, ...]] = {}
        self._modes = _Operators(self._operator), _Functions(self._operator)
        self._profilers: list[tuple[Any, Any]] = []

    def _operator(self, name: str, args: tuple[Any, ...]) -> None:
        suspects = self._suspects.get(name)
        if suspects is None:  # most operators are innocent whatever their arguments: that is found out once
            suspects = self._suspects[name] = tuple(ban for ban in self.bans if ban.operator(name, _ACCUSING))
        if suspects:
            self.seen.update(ban.title for ban in suspects if ban.operator(name, args))

    def _profile(self, frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(self._beginnings):
            file = frame.f_code.co_filename
            self.seen.update(title for folder, title in self.folders if file.startswith(folder))

    def _begin(self) -> None:
        """In this thread."""
        for mode in self._modes:
            mode.__enter__()
        sys.setprofile(self._profile if self.folders else None)

    def _join(self, frame: FrameType, event: str, arg: object) -> None:
        """The first that happens in a thread which the answer has started: it is watched to its end."""
        self._begin()

    def __enter__(self) -> "Watch":
        self._profilers.append((sys.getprofile(), threading.getprofile()))
        threading.setprofile(self._join)
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        own, of_threads = self._profilers.pop()
        sys.setprofile(own)
        threading.setprofile(of_threads)
        for mode in reversed(self._modes):
            mode.__exit__(kind, error, trace)


class _Operators(TorchDispatchMode):
    """Tells the name and the arguments of each operator."""

    def __init__(self, tell: Callable[[str, tuple[Any, ...]], None]) -> None:
        super().__init__()
        self.tell = tell

    def __torch_dispatch__(  # type: ignore[no-untyped-def]
        self, func, types, args=(), kwargs=None
    ) -> Any:
        self.tell(func._schema.name, args)
        return func(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    """Tells the name and the arguments of each function of PyTorch's."""

    def __init__(self, tell: Callable[[str, tuple[Any, ...]], None]) -> None:
        super().__init__()
        self.tell = tell

    def __torch_function__(  # type: ignore[no-untyped-def]
        self, func, types, args=(), kwargs=None
    ) -> Any:
        self.tell(getattr(func, "__name__", ""), args)
        return func(*args, **(kwargs or {}))
