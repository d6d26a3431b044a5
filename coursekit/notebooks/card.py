"""The card at a lecture's top: minutes to read, seconds to run, memory. Counted and measured, never typed.

Seconds are those of the processor, on one core of the machine on which `yardstick` takes `STANDARD` seconds: so the
card of a lecture is the same on a slow machine and on a busy one. Imports do not scale so, the disk has a part in them:
they come before the first cell, in a warm kernel as in an ordinary one, and count `IMPORTS` seconds.
"""

import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from nbformat import NotebookNode
from torch.nn import functional as F

CELL = "card"
STANDARD = 0.1
IMPORTS = 3.0
WORDS_A_MINUTE = 130  # read to be understood
LINES_A_MINUTE = 12
PICTURES_A_MINUTE = 4

# Runs in an ordinary kernel before the first cell; a warm one has it behind it.
BEGIN = "from coursekit.notebooks.card import begin; begin(); del begin"

# Runs in the notebook's kernel after its last cell.
MEASURE = """
import json
from coursekit.notebooks.card import taken
print(json.dumps(taken()))
"""
PATTERN = re.compile(r"\*(\d+) minutes to read · (\d+) s to run · ([\d.]+) GB of memory · no GPU\*")


@dataclass(frozen=True)
class Card:
    """What a lecture costs its reader and the reader's machine."""

    minutes: float
    seconds: float
    gigabytes: float

    @classmethod
    def of(cls, notebook: NotebookNode, seconds: float, gigabytes: float) -> "Card":
        """The card of a notebook whose run was measured; the minutes are counted from what there is to read."""
        return cls(minutes_to_read(notebook), seconds, gigabytes)

    @classmethod
    def on(cls, notebook: NotebookNode) -> "Card | None":
        """The card that stands on a notebook, None if there is none."""
        found = next((PATTERN.fullmatch(cell.source) for cell in notebook.cells if cell.id == CELL), None)
        return cls(*map(float, found.groups())) if found else None

    def put_on(self, notebook: NotebookNode) -> None:
        """Write the card into the notebook's cell for it, if it has one."""
        for cell in notebook.cells:
            if cell.id == CELL:
                cell.source = str(self)

    def is_off(self, measured: "Card") -> list[str]:
        """What of this card is more than half off a new measurement, in words."""
        pairs = (
            ("minutes to read", self.minutes, measured.minutes, 1),
            ("seconds to run", self.seconds, measured.seconds, 3),
            ("GB of memory", self.gigabytes, measured.gigabytes, 0.1),
        )
        return [
            f"the card says {said:g} {what}, it is {seen:.2g}"
            for what, said, seen, slack in pairs
            if not said / 1.5 - slack <= seen <= said * 1.5 + slack
        ]

    def __str__(self) -> str:
        return (
            f"*{self.minutes:.0f} minutes to read · {self.seconds:.0f} s to run · "
            f"{self.gigabytes:.1f} GB of memory · no GPU*"
        )


def minutes_to_read(notebook: NotebookNode) -> float:
    """From the words, the lines of code and the pictures."""
    words = sum(len(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    lines = sum(len(cell.source.splitlines()) for cell in code)
    pictures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    return words / WORDS_A_MINUTE + lines / LINES_A_MINUTE + pictures / PICTURES_A_MINUTE


def begin() -> None:
    """Import what lectures import, and note what that took of this process."""
    from coursekit.grading.kernels.server import import_all

    import_all()
    os.environ["COURSEKIT_IMPORTED"] = str(time.process_time())


def taken() -> dict[str, float]:
    """What this process and its workers took until now: seconds of the standard machine, gigabytes at most at once."""
    import resource  # which Windows has not

    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(t.ru_utime + t.ru_stime for t in times)
    imported = os.environ.get("COURSEKIT_IMPORTED")
    if imported is None:  # by cells, somewhere
        seconds *= STANDARD / yardstick()
    else:
        seconds = IMPORTS + (seconds - float(imported)) * STANDARD / yardstick()
    return {"seconds": seconds, "gigabytes": _most_memory(times[0].ru_maxrss) / 1e9}


def _most_memory(counted: int) -> int:
    """Bytes; `counted` is `ru_maxrss`, in which Linux counts also the process from which this one was forked."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return counted * (1 if sys.platform == "darwin" else 1024)


def yardstick() -> float:
    """Seconds of the processor for a fixed piece of work like a lecture's: convolutions, and Python; median of five."""
    image, weight = torch.ones(4, 16, 96, 96), torch.ones(16, 16, 3, 3)

    def work() -> float:
        started = time.process_time()
        for _ in range(20):
            F.conv2d(image, weight)
        sum(number * number % 7 for number in range(500_000))
        return time.process_time() - started

    return median(work() for _ in range(5))
