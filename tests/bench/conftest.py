"""Timings as ratios: the library against a peer, in turns in one run, so that a slow moment falls on both.

`make bench` writes RESULTS.md: a section for each file that ran, headed by the first line of its docstring, with
the rest of the docstring as its notes. Sections of files that did not run stay as they were. Nothing is asserted:
speed is reported, not tested.
"""

import gc
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = """# Benchmarks

Remade by `make bench`. The library and its peer take turns in one run; a ratio is the median over the turns and the
times are medians too. Below 1 the library is faster. Sizes double so that the growth shows.
"""
SECONDS = 0.6  # for all turns of one row, if they are short enough


@dataclass(frozen=True)
class Row:
    section: str
    topic: str
    size: str
    peer: str
    ours_ms: float
    peer_ms: float
    ratio: float


@dataclass(frozen=True)
class Figure:
    """Something counted or measured that has no peer."""

    section: str
    what: str
    size: str
    figure: str


_rows: list[Row | Figure] = []


@pytest.fixture
def versus(benchmark, request: pytest.FixtureRequest) -> Callable[..., None]:
    """`versus(topic, size, ours, peer, peer_name)` times two functions without arguments in turns.

    `clock=time.process_time` counts this process's work alone, whatever else the machine does. The default is the
    clock on the wall, for what waits or works in other processes.
    """

    def run(
        topic: str,
        size: str,
        ours: Callable[[], object],
        peer: Callable[[], object],
        peer_name: str,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        def turn(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
            return _seconds(first, clock), _seconds(second, clock)

        ours(), peer()
        gc.collect()
        gc.disable()
        try:
            pairs = [turn(ours, peer)]
            for number in range(max(2, min(100, int(SECONDS / (sum(pairs[0]) + 1e-9))))):
                # Who follows whom changes.
                pairs.append(turn(ours, peer) if number % 2 else turn(peer, ours)[::-1])
        finally:
            gc.enable()
        ours_ms, peer_ms = (statistics.median(column) * 1e3 for column in zip(*pairs))
        ratio = statistics.median(a / b for a, b in pairs)
        _rows.append(Row(request.module.__doc__, topic, size, peer_name, ours_ms, peer_ms, ratio))
        benchmark.group = f"{topic}, {size}"
        benchmark.extra_info.update(peer=peer_name, ratio=ratio)
        benchmark.pedantic(ours, rounds=1)

    return run


@pytest.fixture
def measured(benchmark, request: pytest.FixtureRequest) -> Callable[..., None]:
    """`measured(topic, size, ours, peer, peer_name)` runs two functions once; each gives the seconds that count."""

    def run(topic: str, size: str, ours: Callable[[], float], peer: Callable[[], float], peer_name: str) -> None:
        seconds, theirs = benchmark.pedantic(ours, rounds=1), peer()
        row = Row(request.module.__doc__, topic, size, peer_name, 1e3 * seconds, 1e3 * theirs, seconds / theirs)
        _rows.append(row)
        benchmark.extra_info.update(peer=peer_name, ratio=row.ratio)

    return run


@pytest.fixture
def state(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`state(what, size, figure)` puts a figure without a peer into the section."""

    def add(what: str, size: str, figure: str) -> None:
        _rows.append(Figure(request.module.__doc__, what, size, figure))

    return add


def _seconds(function: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    function()
    return clock() - started


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not _rows:
        return
    sections = _sections_so_far()
    for docstring in dict.fromkeys(row.section for row in _rows):
        title, _, notes = docstring.strip().partition("\n")
        sections[title.rstrip(".")] = _section(notes.strip(), [row for row in _rows if row.section == docstring])
    text = HEAD + "".join(f"\n## {title}\n\n{body}" for title, body in sorted(sections.items()))
    beside = RESULTS.with_suffix(".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(RESULTS)


def _sections_so_far() -> dict[str, str]:
    """What earlier runs wrote below each heading."""
    if not RESULTS.exists():
        return {}
    _, *parts = RESULTS.read_text(encoding="utf-8").split("\n## ")
    return {title: body.rstrip("\n") + "\n" for title, _, body in (part.partition("\n\n") for part in parts)}


def _section(notes: str, rows: list[Row | Figure]) -> str:
    threads = torch.get_num_threads()
    machine = f"Machine: {platform.node()}, {_processor()}, {threads} thread{'s' * (threads > 1)}"
    ratios = [row for row in rows if isinstance(row, Row)]
    figures = [row for row in rows if isinstance(row, Figure)]
    lines = [*([notes, ""] if notes else [])]
    lines += [f"{machine}, Python {platform.python_version()}, torch {torch.__version__}."]
    if ratios:
        lines += ["", "| topic | size | library, ms | peer, ms | ratio | peer |", "|---|---|---:|---:|---:|---|"]
        lines += [
            f"| {r.topic} | {r.size} | {r.ours_ms:.2f} | {r.peer_ms:.2f} | {r.ratio:.2f} | {r.peer} |" for r in ratios
        ]
        lines += ["", _verdict(ratios)]
    if figures:
        lines += ["", "| what | size | figure |", "|---|---|---|"]
        lines += [f"| {f.what} | {f.size} | {f.figure} |" for f in figures]
    return "\n".join(lines) + "\n"


def _verdict(rows: list[Row]) -> str:
    slower = [f"{r.topic}, {r.size}, against {r.peer} ({r.ratio:.2f})" for r in rows if round(r.ratio, 2) > 1]
    return f"Slower than the peer: {'; '.join(slower)}." if slower else "Never slower than the peer."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
