"""See which calls an answer makes: an exercise may ask to write one of them oneself.

PyTorch's dispatcher sees every operator, whatever name or module it was reached by; Python's profiler sees calls into
the reference library. Both watch only while the answer's own code runs.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ban:
    """A family of calls. `operator` tells from an ATen operator's name and arguments whether it belongs to it."""

    title: str
    operator: Callable[[str, tuple[Any, ...]], bool] = lambda name, args: False
    folder: str | None = None


def _is_transposed(name: str, args: tuple[Any, ...]) -> bool:
    """The general convolution carries `transposed` as its seventh argument."""
    general = name.endswith(("::convolution", "::_convolution", "::convolution_overrideable"))
    return "conv_transpose" in name or (general and len(args) > 6 and bool(args[6]))


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
    lambda name, args: ("cross_entropy" in name or "nll_loss" in name) and "backward" not in name,
)
ROI_ALIGN = Ban("torchvision's roi_align", lambda name, args: "roi_align" in name and "backward" not in name)
REFERENCE_OPS = Ban("the reference in coursekit.ops", folder=str(_PACKAGE / "ops"))
REFERENCE_MODELS = Ban("the reference in coursekit.models", folder=str(_PACKAGE / "models"))
REFERENCE_LOSSES = Ban("the reference in coursekit.losses", folder=str(_PACKAGE / "losses"))
REFERENCE_METRICS = Ban("the reference in coursekit.metrics", folder=str(_PACKAGE / "metrics"))


class Watch(TorchDispatchMode):
    """Collects the titles of the banned calls made inside its `with` block."""

    def __init__(self, bans: Iterable[Ban]) -> None:
        super().__init__()
        self.bans = tuple(bans)
        self.folders = tuple((ban.folder, ban.title) for ban in self.bans if ban.folder)
        self.seen: set[str] = set()

    def __torch_dispatch__(  # type: ignore[no-untyped-def]
        self, func, types, args=(), kwargs=None
    ) -> Any:
        name = func._schema.name
        self.seen.update(ban.title for ban in self.bans if ban.operator(name, args))
        return func(*args, **(kwargs or {}))

    def _profile(self, frame: FrameType, event: str, arg: object) -> None:
        if event == "call":
            file = frame.f_code.co_filename
            self.seen.update(title for folder, title in self.folders if file.startswith(folder))

    def __enter__(self) -> "Watch":
        super().__enter__()
        self.profiler = sys.getprofile()
        if self.folders:
            sys.setprofile(self._profile)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.folders:
            sys.setprofile(self.profiler)
        super().__exit__(kind, error, trace)
