"""The table that grows through the lectures: what each network is, and what its laptop-sized form scores on streets."""

import html
from dataclasses import dataclass
from pathlib import Path

from coursekit.models.catalogue import CATALOGUE, Facts
from coursekit.results.experiments import EXPERIMENTS
from coursekit.results.records import RUNS
from coursekit.results.tables import Line, names, table

HEADER = ("network", "parameters", "receptive field", "stride", "small: parameters", "CPU s", "score", "of")
EXPERIMENTS_OF_STREETS = ("streets", "streets-instances", "streets-keypoints", "streets-driving")


@dataclass(frozen=True)
class GrowingTable:
    """Rows of text under `HEADER`: HTML in a notebook, text in a terminal."""

    rows: tuple[tuple[str, ...], ...]

    def __repr__(self) -> str:
        lines = (HEADER, *self.rows)
        widths = [max(map(len, column)) for column in zip(*lines)]
        written = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
        return "\n".join(map(str.rstrip, written))

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in HEADER)
        body = "".join(
            f'<tr><th scope="row">{html.escape(name)}</th>' + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            for name, *cells in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def growing_table(lecture: int, folder: Path = RUNS) -> GrowingTable:
    """The networks up to this lecture.

    Parameters, receptive field and stride are those of the published network, from `models.CATALOGUE`. The rest is of
    its small form, trained on StreetScenes: parameters, CPU seconds of training on one core, and the first score of
    its experiment; empty where it has not been trained.
    """
    measured = _measured(folder)
    shown = [facts for facts in CATALOGUE if int(facts.lecture[:2]) <= lecture and not _is_variant(facts)]
    return GrowingTable(tuple((*_facts(facts), *measured.get(facts.name, ("", "", "", ""))) for facts in shown))


def _is_variant(facts: Facts) -> bool:
    """Whether it is another size of a network that has a row already."""
    return facts.options.keys() - {"auxiliary"} != set()


def _facts(facts: Facts) -> tuple[str, ...]:
    field = "the picture" if facts.receptive_field is None else str(facts.receptive_field)
    return facts.title, f"{facts.parameters:,}", field, str(facts.stride)


def _measured(folder: Path) -> dict[str, tuple[str, ...]]:
    """Of each model that has been trained on streets what the table shows of it."""
    found: dict[str, tuple[str, ...]] = {}
    for name in set(EXPERIMENTS_OF_STREETS) & set(names(folder)):
        column = EXPERIMENTS[name].columns[0]
        for line in table(name, folder).lines:
            score = line.measured(column.score).mean
            found[line.row.model] = (*_cost(line), f"{score:.1%}" if column.percent else f"{score:.2f}", column.title)
    return found


def _cost(line: Line) -> tuple[str, str]:
    return f"{line.parameters:,}", f"{line.cpu_seconds:.0f}"
