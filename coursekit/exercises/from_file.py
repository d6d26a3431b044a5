"""Judge a file of answers in a process of its own, which may crash, hang or exit without taking the report with it.

The worker judges one exercise after another and sends each report as a line of JSON. When it dies or overruns its
time, the exercise it was at has failed, and a new worker goes on with the next.
"""

import json
import os
import queue
import runpy
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from coursekit.exercises import load
from coursekit.exercises.answer import quiet
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.judge import failed, judge
from coursekit.exercises.report import ExerciseReport, Report

IMPORT_SECONDS = 60.0
_GRACE_SECONDS = 5.0


def assess_file(assignment: str, file: Path, seed: int = 0, only: Iterable[str] | None = None) -> Report:
    """Judge the answers that a Python file defines.

    Raises:
        KeyError: no assignment has that name.
        FileNotFoundError: there is no such file.
    """
    exercises = load(assignment).exercises
    if not Path(file).is_file():
        raise FileNotFoundError(f"no file of answers at {file}")
    waiting = list(exercises if only is None else only)
    report = Report(assignment, seed, {name: failed(exercises[name], "not judged") for name in waiting})
    while waiting:
        for done in _reports(assignment, file, seed, [exercises[name] for name in waiting]):
            report.exercises[done.name] = done
            waiting.remove(done.name)
    return report


def _reports(assignment: str, file: Path, seed: int, exercises: list[Exercise]) -> Iterable[ExerciseReport]:
    """Reports from one worker, in order, until it has judged all or has been lost with the exercise it was at."""
    command = [sys.executable, "-m", __name__, assignment, str(file), str(seed), *(e.name for e in exercises)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_forward, args=(worker.stdout, lines), daemon=True).start()
    try:
        problem = _imported(lines, file)
        for exercise in exercises:
            if problem:
                yield failed(exercise, problem)
                continue
            seconds = 3 * sum(check.seconds for check in exercise.checks) + _GRACE_SECONDS
            try:
                line = lines.get(timeout=seconds)
            except queue.Empty:
                yield failed(exercise, f"no result after {seconds:g} s: does a loop never end?")
                return
            if line is None:
                yield failed(exercise, f"your code ended the Python process (exit code {worker.wait()})")
                return
            yield ExerciseReport.from_dict(json.loads(line))
    finally:
        worker.kill()
        worker.wait()


def _forward(source: IO[str], lines: "queue.Queue[str | None]") -> None:
    for line in source:
        lines.put(line)
    lines.put(None)


def _imported(lines: "queue.Queue[str | None]", file: Path) -> str:
    """Wait for the worker's first line: why the file could not be imported, or nothing."""
    try:
        line = lines.get(timeout=IMPORT_SECONDS)
    except queue.Empty:
        return f"{file.name} is still being imported after {IMPORT_SECONDS:g} s: does a loop never end?"
    return f"{file.name} ended the Python process while it was imported" if line is None else json.loads(line)


def _work(assignment: str, file: str, seed: str, *names: str) -> None:
    """The worker. Its own standard output becomes the channel; what the answers print goes nowhere."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())

    def send(message: Any) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    exercises = load(assignment).exercises
    try:
        with quiet():
            namespace = runpy.run_path(file, run_name="answers")
    except BaseException as error:
        at = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        line = getattr(error, "lineno", None) or (at[-1].lineno if at else None)
        place = f", line {line}" if line else ""
        send(f"{Path(file).name} does not import: {type(error).__name__}: {error}{place}")
        return
    send("")
    for name in names:
        missing = name not in namespace
        report = (
            failed(exercises[name], f"{name} is not defined")
            if missing
            else judge(exercises[name], namespace[name], int(seed))
        )
        send(report.to_dict())


if __name__ == "__main__":
    _work(*sys.argv[1:])
