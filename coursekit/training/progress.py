"""How a run is watched: a bar and a line an epoch in a terminal, one live plot in a notebook, TensorBoard beside."""

import base64
import shutil
import sys
import time
from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from coursekit.training.history import History, current_cell


class Progress(Protocol):
    """Is told what happens in a run."""

    def batch(self, done: int, total: int, loss: float) -> None:
        """`done` of all the run's `total` batches are done; the last one's loss."""

    def epoch(self, history: History) -> None:
        """An epoch has ended, the history's last."""

    def close(self, history: History) -> None:
        """The run has ended, well or not."""


def watchers(wanted: bool, tensorboard: Path | None) -> list[Progress]:
    """What watches a run here."""
    found: list[Progress] = [TensorBoard(tensorboard)] if tensorboard else []
    if not wanted:
        return found
    return [Terminal() if current_cell() is None else Notebook(), *found]


class Terminal:
    """A bar on stderr where that is a terminal, and a line an epoch on stdout."""

    def __init__(self) -> None:
        width, height = shutil.get_terminal_size()  # 80, 24 for one that does not say, where tqdm would show nothing
        self.bar = tqdm(disable=not sys.stderr.isatty(), leave=False, unit="batch", ncols=width, nrows=height)

    def batch(self, done: int, total: int, loss: float) -> None:
        if self.bar.total is None:  # a run that goes on starts its bar, and its estimate, where it stands
            self.bar.total, self.bar.initial, self.bar.n = total, done - 1, done - 1
        self.bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        self.bar.update(done - self.bar.n)

    def epoch(self, history: History) -> None:
        tqdm.write(str(history.epochs[-1]), file=sys.stdout)
        sys.stdout.flush()

    def close(self, history: History) -> None:
        self.bar.close()


class Notebook:
    """One output that is replaced as the run goes on: a bar and the plot so far; in the end the history itself."""

    BETWEEN = 0.3  # seconds, so that showing costs next to nothing

    def __init__(self) -> None:
        from IPython.display import display

        self.handle = display(Live(0, 1, "training begins", b"", ""), display_id=True)
        self.shown = 0.0
        self.picture = b"", ""

    def batch(self, done: int, total: int, loss: float) -> None:
        if time.monotonic() - self.shown > self.BETWEEN:
            self.handle.update(Live(done, total, f"batch {done} of {total}, loss {loss:.3f}", *self.picture))
            self.shown = time.monotonic()

    def epoch(self, history: History) -> None:
        plot = history.plot()
        self.picture = plot.png, f"{plot.alt} {history.epochs[-1]}"
        self.shown = 0.0

    def close(self, history: History) -> None:
        if history.epochs:
            self.handle.update(history)
            history.cell = current_cell()


class Live:
    """A bar, a line and a picture, for a notebook."""

    def __init__(self, done: int, total: int, line: str, png: bytes, alt: str) -> None:
        self.done, self.total, self.line, self.png, self.alt = done, total, line, png, alt

    def _repr_mimebundle_(self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None) -> Any:
        image = base64.b64encode(self.png).decode()
        picture = f'<br><img src="data:image/png;base64,{image}" alt="{escape(self.alt)}">' if self.png else ""
        bar = f'<progress value="{self.done}" max="{self.total}" aria-label="training"></progress>'
        return {"text/html": f"{bar} {escape(self.line)}{picture}", "text/plain": self.line}


class TensorBoard:
    """Loss and scores of every epoch in a log that `tensorboard --logdir FOLDER` shows."""

    def __init__(self, folder: Path) -> None:
        if find_spec("tensorboard") is None:
            raise ModuleNotFoundError(
                "tensorboard=True needs the package tensorboard, which is not installed: pip install tensorboard"
            )
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(folder)

    def batch(self, done: int, total: int, loss: float) -> None:
        pass

    def epoch(self, history: History) -> None:
        last = history.epochs[-1]
        for name, value in {"loss": last.loss, "seconds": last.seconds, **last.scores}.items():
            self.writer.add_scalar(name, value, last.number)
        self.writer.flush()

    def close(self, history: History) -> None:
        self.writer.close()
