"""Timings as ratios: the library against a peer, taken in turns in one run, so that a slow moment hits both.

`make bench` writes the table to RESULTS.md. Nothing here is asserted: speed is reported, not tested.
"""

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True)
class Row:
    topic: str
    size: str
    peer: str
    ours_ms: float
    peer_ms: float
    ratio: float


_rows: list[Row] = []


@pytest.fixture
def versus(benchmark) -> Callable[..., None]:
    """`versus(topic, size, ours, peer, peer_name)` times two functions without arguments in turns."""

    def run(topic: str, size: str, ours: Callable[[], object], peer: Callable[[], object], name: str) -> None:
        ours(), peer()
        once = max(_seconds(ours), _seconds(peer), 1e-6)
        rounds = max(5, min(60, int(1.5 / once)))
        pairs = [(_seconds(ours), _seconds(peer)) for _ in range(rounds)]
        left, right = (statistics.median(column) * 1e3 for column in zip(*pairs))
        ratio = statistics.median(a / b for a, b in pairs)
        _rows.append(Row(topic, size, name, left, right, ratio))
        benchmark.group = f"{topic}, {size}"
        benchmark.extra_info.update(peer=name, ratio=ratio)
        benchmark.pedantic(ours, rounds=3)

    return run


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not _rows:
        return
    lines = [
        "# Benchmarks",
        "",
        "Remade by `make bench`. Median times of one run, library and peer in turns; a ratio below 1 means that the",
        "library is faster. Sizes double so that the growth shows.",
        "",
        f"Machine: {_processor()}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}.",
        "",
        "| topic | size | library, ms | peer, ms | ratio | peer |",
        "|---|---|---:|---:|---:|---|",
    ]
    lines += [f"| {r.topic} | {r.size} | {r.ours_ms:.2f} | {r.peer_ms:.2f} | {r.ratio:.2f} | {r.peer} |" for r in _rows]
    beside = RESULTS.with_suffix(".part")
    beside.write_text("\n".join(lines) + "\n")
    beside.replace(RESULTS)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
