"""Tell what takes so long: one line, after two seconds, which is gone when the report comes."""

import contextvars
import sys
import threading
import time
from html import escape
from types import TracebackType

from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle

from coursekit.exercises.exercise import Check, Exercise

PATIENCE = 2.0  # seconds
_EVERY = 0.5


class Progress:
    """Shows, while its `with` block runs, which check has been running for how long.

    In a notebook the line is an output of the cell, elsewhere a line of the terminal; where neither is, in a test or
    under a pipe, there is none. Standard error stays empty: under nbgrader what is written there costs the points.
    """

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.check: Check | None = None
        self.began = self.check_began = time.monotonic()
        self.line = _InNotebook() if hasattr(get_ipython(), "kernel") else _InTerminal()
        self.over = threading.Event()
        context = contextvars.copy_context()  # by which Jupyter knows the cell that an output belongs to
        self.thread = threading.Thread(target=context.run, args=(self._tell,), daemon=True)

    def at(self, check: Check) -> None:
        """This check begins."""
        self.check, self.check_began = check, time.monotonic()

    def __enter__(self) -> "Progress":
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.thread.join()
        self.line.vanish()

    def _tell(self) -> None:
        wait = PATIENCE
        while not self.over.wait(wait):
            self.line.show(self._text())
            wait = _EVERY

    def _text(self) -> str:
        if self.check is None:
            return f"{self.exercise.name} …"
        number = self.exercise.checks.index(self.check) + 1
        seconds = int(time.monotonic() - self.check_began)
        return (
            f"{self.exercise.name}: check {number} of {len(self.exercise.checks)}, “{self.check.name}”, {seconds} s …"
        )


class _InNotebook:
    """An output of the cell, rewritten in its place, and empty in the end."""

    def __init__(self) -> None:
        self.handle: DisplayHandle | None = None

    def show(self, text: str) -> None:
        data = {"text/plain": text, "text/html": f"<em>{escape(text)}</em>" if text else ""}
        if self.handle is None:
            self.handle = DisplayHandle()
            self.handle.display(data, raw=True)
        else:
            self.handle.update(data, raw=True)

    def vanish(self) -> None:
        if self.handle:
            self.show("")


class _InTerminal:
    """A line of the terminal, rewritten in its place, and erased in the end; nothing where there is no terminal."""

    def __init__(self) -> None:
        self.terminal = sys.__stdout__ if sys.__stdout__ and sys.__stdout__.isatty() else None
        self.shown = False

    def show(self, text: str) -> None:
        if self.terminal:
            self.shown = True
            self.terminal.write(f"\r{text}\x1b[K")
            self.terminal.flush()

    def vanish(self) -> None:
        if self.shown:
            self.show("")
