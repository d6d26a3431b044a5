"""Lectures in CI: nbval over all twelve in warm kernels, against the same command with Jupyter's own.

Every cell of every lecture runs; what a kernel costs before its first cell, and what a lecture computes, both count.
The start of the warm process counts too. Medians of three turns.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.timeout(3600), pytest.mark.skipif(sys.platform != "linux", reason="warm kernels need Linux")]


WARM = {"JUPYTER_DEFAULT_PROVISIONER_NAME": "coursekit-warm"}
TURNS = 3


def seconds(*options, **environment):
    """Of `make test`'s command over the lectures."""
    files = sorted((ROOT / "lectures").glob("*.ipynb"))
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-cell-timeout=300"]
    without = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    own = {k: v for k, v in os.environ.items() if k != "COURSEKIT_DATA"}
    started = time.perf_counter()
    subprocess.run([*command, *without, *options, *files], check=True, cwd=ROOT, env=own | environment)
    return time.perf_counter() - started


@pytest.fixture(scope="module")
def times():
    """Medians: with Jupyter's own kernels, with warm ones, with two notebooks at a time in warm ones."""
    one, two = ["-p", "tests.notebooks.warm"], ["-n", "2", "--dist", "loadfile"]
    turns = [(seconds(), seconds(*one, **WARM), seconds(*one, *two, **WARM)) for _ in range(TURNS)]
    return [statistics.median(column) for column in zip(*turns)]


@pytest.mark.parametrize("at_a_time", [1, 2])
def test_all_lectures(measured, times, at_a_time):
    topic = f"nbval, {at_a_time} at a time"
    measured(topic, "all lectures", lambda: times[at_a_time], lambda: times[0], "stock kernels, one at a time")
