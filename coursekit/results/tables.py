"""From recorded runs to tables: the mean over the seeds, its spread, and how sure that leaves us."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scipy.special import stdtrit

from coursekit.results.experiments import EXPERIMENTS, Column, Experiment, Row
from coursekit.results.records import RUNS, path_of, read

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Measured:
    """One score over the seeds of one row."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return mean(self.values)

    @property
    def spread(self) -> float | None:
        """The standard deviation of the seeds (n − 1 in the denominator); None for a single one."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the mean of all seeds lies with 95 % confidence, by Student's t; None for a single one."""
        if self.spread is None:
            return None
        count = len(self.values)
        half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * self.spread / sqrt(count)
        return self.mean - half, self.mean + half


@dataclass(frozen=True)
class Line:
    """A row that has been run, with every record of it."""

    row: Row
    runs: tuple[dict[str, Any], ...]

    def measured(self, score: str) -> Measured:
        return Measured(tuple(run["scores"][score] for run in self.runs))

    @property
    def parameters(self) -> int:
        return int(self.runs[0]["parameters"])

    @property
    def cpu_seconds(self) -> float:
        return mean(run["cpu_seconds"]["training"] for run in self.runs)


class Table:
    """The recorded results of an experiment: HTML in a notebook, text in a terminal, `markdown()` for documents.

    `lines` holds the rows that have been run, with their records; `line(name).measured(score)` is a score's mean,
    spread and 95 % interval.
    """

    def __init__(self, experiment: Experiment, lines: Sequence[Line]) -> None:
        self.experiment = experiment
        self.lines = tuple(lines)

    def line(self, name: str) -> Line:
        """The line of that row; KeyError names those that exist."""
        for line in self.lines:
            if line.row.name == name:
                return line
        raise KeyError(f"{name!r} has not been run; there are {', '.join(line.row.name for line in self.lines)}")

    @property
    def header(self) -> list[str]:
        titles = [f"{column.title}, %" if column.percent else column.title for column in self.experiment.columns]
        sure = [f"95 % interval of {self.experiment.columns[0].title}"] if self.several else []
        return ["", *titles, *sure, "parameters", "CPU s"]

    @property
    def several(self) -> bool:
        """Whether there is more than one seed to tell a spread from."""
        return len(self.experiment.seeds) > 1

    @property
    def cells(self) -> list[list[str]]:
        """The table as text, row by row, without its header."""
        first = self.experiment.columns[0]
        table = []
        for line in self.lines:
            scores = [written(line.measured(column.score), column) for column in self.experiment.columns]
            sure = [interval(line.measured(first.score), first)] if self.several else []
            table.append([line.row.title, *scores, *sure, f"{line.parameters:,}", f"{line.cpu_seconds:.0f}"])
        return table

    @property
    def caption(self) -> str:
        seeds = sorted({len(line.runs) for line in self.lines})
        spread = f"Mean ± standard deviation of {' or '.join(map(str, seeds))} seeds. " if self.several else ""
        return f"{self.experiment.about} {spread}CPU s: processor time of one training, on one core."

    def markdown(self) -> str:
        """The table in GitHub's Markdown, with what has to be said about it below."""
        rows = [self.header, ["---", *["---:"] * (len(self.header) - 1)], *self.cells]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows) + f"\n\n{self.caption}\n"

    def __repr__(self) -> str:
        rows = [self.header, *self.cells]
        widths = [max(map(len, column)) for column in zip(*rows)]
        written = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
        return "\n".join([self.experiment.title, *map(str.rstrip, written), self.caption])

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in self.header)
        body = "".join(
            f'<tr><th scope="row">{html.escape(row[0])}</th>'
            + "".join(f'<td style="text-align: right">{html.escape(cell)}</td>' for cell in row[1:])
            + "</tr>"
            for row in self.cells
        )
        caption = f"<b>{html.escape(self.experiment.title)}</b><br>{html.escape(self.caption)}"
        return (
            f'<table><caption style="text-align: left">{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def written(measured: Measured, column: Column) -> str:
    """The mean, and the spread where there is one."""
    mean, *spread = (
        f"{(100 if column.percent else 1) * value:.{column.digits}f}"
        for value in (measured.mean, measured.spread)
        if value is not None
    )
    return " ± ".join([mean, *spread])


def interval(measured: Measured, column: Column) -> str:
    """The 95 % interval; of a fraction, the part of it that fractions can reach."""
    if measured.interval is None:
        return ""
    ends = [min(max(end, 0.0), 1.0) * 100 if column.percent else end for end in measured.interval]
    return " … ".join(f"{end:.{column.digits}f}" for end in ends)


def table(name: str, folder: Path = RUNS) -> Table:
    """The results of the experiment of that name, from its files in `folder`.

    Raises KeyError, naming the experiments that have results, where there are none.
    """
    if name not in names(folder):
        raise KeyError(f"no results are recorded for {name!r}; there are {', '.join(names(folder)) or 'none at all'}")
    experiment = EXPERIMENTS[name]
    lines = []
    for row in experiment.rows:
        files = [path_of(experiment, row, seed, folder) for seed in experiment.seeds]
        runs = tuple(read(file) for file in files if file.is_file())
        if runs:
            lines.append(Line(row, runs))
    return Table(experiment, lines)


DOCUMENT = """# Measured results

Remade by `coursekit results show --markdown` from the files in `coursekit/results/runs`, one for each training; a
test keeps it in step. `coursekit results run NAME` makes those files again: the settings are in
`coursekit/results/experiments.py`, and each file says on which machine, with which versions and in what time it was
made.
"""


def document(folder: Path = RUNS) -> str:
    """docs/results.md: every table that has results."""
    sections = [
        f"\n## {EXPERIMENTS[name].title}\n\n`coursekit results run {name}`\n\n{table(name, folder).markdown()}"
        for name in names(folder)
    ]
    return DOCUMENT + "".join(sections)


def names(folder: Path = RUNS) -> list[str]:
    """The experiments that have been run, in the order in which they are listed."""
    return [name for name in EXPERIMENTS if any((folder / name).glob("*.json"))]
