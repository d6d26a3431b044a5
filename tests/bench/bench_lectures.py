"""Lectures in CI: nbval over all twelve in warm kernels, against the same command with Jupyter's own.

Every cell of every lecture runs; what a kernel costs before its first cell, and what a lecture computes, both count.
The start of the warm process counts too.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.timeout(3600), pytest.mark.skipif(sys.platform != "linux", reason="warm kernels need Linux")]


def seconds(*options, **environment):
    """Of `make test`'s command over the lectures."""
    files = sorted((ROOT / "lectures").glob("*.ipynb"))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--nbval-lax",
        "--nbval-cell-timeout=300",
    ]
    own = {k: v for k, v in os.environ.items() if k != "COURSEKIT_DATA"}
    started = time.perf_counter()
    subprocess.run([*command, *options, *files], check=True, cwd=ROOT, env=own | environment)
    return time.perf_counter() - started


@pytest.fixture(scope="module")
def stock():
    return seconds()


@pytest.mark.parametrize("at_a_time", [1, 2])
def test_all_lectures(measured, stock, at_a_time):
    options = ["-p", "tests.notebooks.warm", *(["-n", str(at_a_time), "--dist", "loadfile"] if at_a_time > 1 else [])]
    topic = f"nbval, {at_a_time} at a time"

    def ours():
        return seconds(*options, JUPYTER_DEFAULT_PROVISIONER_NAME="coursekit-warm")

    measured(topic, "all lectures", ours, lambda: stock, "stock kernels, one at a time")
