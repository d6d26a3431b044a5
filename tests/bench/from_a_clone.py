"""How long it takes from a clean clone to the first green check in a browser, and to a graded class.

The newcomer is the browser test, who opens assignment 1, answers wrong, then right; nobody reads or thinks meanwhile.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRST_CHECK = "tests/browser/test_newcomer.py::test_a_first_answer_turns_the_check_green[lab-lab/tree]"


def seconds(*command: str, folder: Path) -> float:
    """What a command takes, which must neither fail nor skip a test."""
    started = time.monotonic()
    ran = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    taken = time.monotonic() - started
    if ran.returncode or " skipped" in ran.stdout:
        sys.exit(f"{' '.join(command)} did not do what it should:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return taken


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "clone"
        cloned = seconds("git", "clone", "--quiet", ROOT.as_uri(), str(clone), folder=ROOT)
        installed = cloned + seconds("make", "install", folder=clone)
        print(f"installed after {installed:.0f} s")
        check = seconds(".venv/bin/python", "-m", "pytest", FIRST_CHECK, folder=clone)
        print(f"first green check: {check:.0f} s more, {installed + check:.0f} s from the clone")
        demo = seconds("make", "demo", folder=clone)
        print(f"graded class: {demo:.0f} s more, {installed + demo:.0f} s from the clone")


if __name__ == "__main__":
    main()
