"""The submission doctor: would nbgrader grade this notebook as its student means it?

A submission is compared with the notebook that was handed out, read, and run as nbgrader would run it. nbgrader finds
its cells by their grade ids: it puts locked cells back as they were, gives nothing for a check that is missing, and
refuses the whole notebook when an id is there twice or is none of its own.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader import utils

from coursekit.grading import mending
from coursekit.grading.execute import Execute
from coursekit.grading.mending import mend
from coursekit.grading.source import habits, names
from coursekit.grading.submission import (
    Submission,
    is_check,
    is_manual,
    kernel,
    mark,
    read,
    read_names,
    same,
    unsound_ids,
)

__all__ = ["COSTS", "LOOK", "Diagnosis", "Finding", "doctor", "examine", "mend"]

COSTS, LOOK = "costs points", "look at it"
CELL_SECONDS = 120  # as in nbgrader_config.py
_SEED = "1"  # of the checks' inputs: not the one that the student has practised with
_REFUSED = "nbgrader refuses the whole notebook"


@dataclass(frozen=True)
class Finding:
    """One thing to mend: its severity, where it is (cells count from 1), and what to do."""

    severity: str
    message: str
    cell: int | None = None
    title: str = ""
    mendable: bool = False

    def __str__(self) -> str:
        place = ", ".join(part for part in (f"cell {self.cell}" if self.cell else "", self.title) if part)
        mend = " (--mend does this)" if self.mendable else ""
        return f"{place}: {self.message}{mend}" if place else f"{self.message}{mend}"


@dataclass
class Diagnosis:
    """What the doctor found. `scores` are (points, of how many) by grade id, `by_hand` the points marked by hand."""

    file: str
    findings: list[Finding] = field(default_factory=list)
    scores: dict[str, tuple[float, float]] = field(default_factory=dict)
    by_hand: dict[str, float] = field(default_factory=dict)
    mended: list[str] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Nothing that was found costs points."""
        return not any(finding.severity == COSTS for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "healthy": self.healthy}

    def __str__(self) -> str:
        lines = [self.file, *(f"  mended: {deed}" for deed in self.mended)]
        for finding in sorted(self.findings, key=lambda f: (f.severity != COSTS, f.cell or 0)):
            lines.append(f"  {finding.severity.upper()}  {finding}")
        lines += [f"  {points:g} of {most:g} points  {name}" for name, (points, most) in self.scores.items()]
        if self.scores:
            got, most = (sum(column) for column in zip(*self.scores.values()))
            by_hand = "".join(
                f"; {name}, {points:g} points, is marked by hand" for name, points in self.by_hand.items()
            )
            lines.append(f"  {got:g} of {most:g} points from the checks{by_hand}")
        bad = sum(finding.severity == COSTS for finding in self.findings)
        verdict = f"{bad} finding{'s cost' if bad > 1 else ' costs'} points" if bad else "It would be graded as it is"
        return "\n".join([*lines, f"{verdict}."])


def doctor(file: Path, released: Path | None = None, mend: bool = False) -> Diagnosis:
    """Examine a submission, after mending it if asked to.

    Args:
        released: the notebook as it was handed out; by default `assignments/NAME/NAME.ipynb` in this folder or above.
            A submission written into that file itself is compared with the file's last commit.

    Raises:
        FileNotFoundError: the submission is not there, or no released notebook is found.
    """
    if not file.is_file():
        raise FileNotFoundError(f"no notebook at {file}")
    with tempfile.TemporaryDirectory() as scratch:
        released = released or _find_released(file)
        if not released.is_file():
            raise FileNotFoundError(f"no released notebook at {released}")
        if released.resolve() == file.resolve():
            released = _as_committed(released, Path(scratch))
        deeds = mending.mend(file, released) if mend else []
        diagnosis = examine(file, released)
    diagnosis.mended = deeds
    return diagnosis


def _find_released(file: Path) -> Path:
    """The longest name of an assignment that the file's name begins with: a download may have become "NAME (1)"."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        known = [f for f in (folder / "assignments").glob("*/*.ipynb") if f.stem == f.parent.name]
        matching = [f for f in known if file.name.startswith(f.stem)]
        if matching:
            return max(matching, key=lambda f: len(f.stem))
    raise FileNotFoundError(
        f"no assignments/NAME/NAME.ipynb for {file.name} in this folder or above: "
        "go to the course's folder, or name the notebook as you got it with --released"
    )


def _as_committed(file: Path, folder: Path) -> Path:
    git = ["git", "-C", str(file.parent), "show", f"HEAD:./{file.name}"]
    shown = subprocess.run(git, capture_output=True, check=False) if shutil.which("git") else None
    if shown is None or shown.returncode:
        raise FileNotFoundError(
            f"{file} is the released notebook itself: name a copy as you got it with --released, to compare with"
        )
    committed = folder / file.name
    committed.write_bytes(shown.stdout)
    return committed


def examine(file: Path, released: Path, run: bool = True, seconds: int = CELL_SECONDS) -> Diagnosis:
    """Compare a submission with the released notebook, read its source, and run it in a fresh kernel.

    Args:
        run: also run it; without, there are no scores.
        seconds: the time limit of a cell.
    """
    diagnosis = Diagnosis(file.name)
    try:
        notebook = read(file)
    except ValueError as error:
        diagnosis.findings.append(Finding(COSTS, str(error)))
        return diagnosis
    submission = Submission(notebook, read(released))
    diagnosis.findings += [*_form(file, released, submission), *_cells(submission), *_source(submission)]
    if run:
        executed = _execute(submission.graded, file.parent, seconds)
        diagnosis.findings += _errors(executed, submission)
        diagnosis.scores = _scores(executed, submission)
    diagnosis.by_hand = {name: mark(cell).points for name, cell in submission.known.items() if is_manual(cell)}
    return diagnosis


def _at(submission: Submission, severity: str, position: int, message: str, mendable: bool = False) -> Finding:
    return Finding(severity, message, position + 1, submission.title(position), mendable)


def _form(file: Path, released: Path, submission: Submission) -> Iterator[Finding]:
    """The file: its name, its format, its kernel, the ids of its cells."""
    notebook = submission.notebook
    if file.name != released.name:
        yield Finding(COSTS, f"nbgrader looks for {released.name} and does not see {file.name}: rename it")
    if notebook.metadata.get("orig_nbformat", 4) < 4:
        yield Finding(LOOK, "is in the old notebook format 3: open it in Jupyter and save it", mendable=True)
    if kernel(notebook) != kernel(submission.released):
        yield Finding(LOOK, f"has the kernel {kernel(notebook)}, not the course's", mendable=True)
    if unsound_ids(notebook):
        yield Finding(LOOK, "some cells have no id, or another's; Jupyter may lose them", mendable=True)


def _cells(submission: Submission) -> Iterator[Finding]:
    """Cells of nbgrader's that are missing, copied, without their marks, or changed."""
    for name, cell in submission.known.items():
        places, at = submission.marked[name], submission.place(name)
        points = f"{mark(cell).get('points', 0):g} points"
        if at is None:
            yield from _missing(submission, name, cell, points)
        elif not places:
            lost = COSTS if utils.is_grade(cell) else LOOK
            yield _at(submission, lost, at, f"has lost nbgrader's mark “{name}”; get it back", True)
        elif len(places) > 1:
            others = ", ".join(str(i + 1) for i in places[:-1])
            message = f"is there {len(places)} times (also cell {others}), split or copied: {_REFUSED}; keep one"
            yield _at(submission, COSTS, at, message, submission.copies_can_go(name))
        else:
            yield from _changed(submission, cell, at)
    for i in submission.strangers:
        message = f"has a mark of nbgrader's that this assignment does not know: {_REFUSED}; take it off"
        yield _at(submission, COSTS, i, message, True)


def _missing(submission: Submission, name: str, cell: NotebookNode, points: str) -> Iterator[Finding]:
    if utils.is_locked(cell):
        costs = COSTS if utils.is_grade(cell) else LOOK
        lost = f", and its {points} with it" if utils.is_grade(cell) else ""
        yield Finding(costs, f"the cell is missing{lost}: put it back", title=name, mendable=True)
    elif is_manual(cell):
        yield Finding(COSTS, f"the answer is missing, and its {points} with it: copy the cell back", title=name)
    else:
        yield Finding(LOOK, "the answer's cell is missing: copy it back from the released notebook", title=name)


def _changed(submission: Submission, cell: NotebookNode, at: int) -> Iterator[Finding]:
    mine = submission.notebook.cells[at]
    changed = {key for key in {*mark(mine), *mark(cell)} if mark(mine).get(key) != mark(cell).get(key)}
    if changed:
        harmless = changed <= {"locked", "points", "checksum", "cell_type"}
        told = "nbgrader sets it right" if harmless else _REFUSED
        message = f"nbgrader's mark was changed ({', '.join(sorted(changed))}): {told}; get the old one back"
        yield _at(submission, LOOK if harmless else COSTS, at, message, True)
    if mine.cell_type != cell.cell_type:
        message = f"is a {mine.cell_type} cell and was a {cell.cell_type} cell: make it one again"
        yield _at(submission, LOOK, at, message)
    if utils.is_locked(cell) and not same(mine, cell):
        message = "is locked and was changed; nbgrader puts the old text back: move code of yours to another cell"
        yield _at(submission, LOOK, at, message)


def _source(submission: Submission) -> Iterator[Finding]:
    """What shows without running: answers not written or not found, missing names, habits, syntax."""
    broken = []
    for i, cell in enumerate(submission.graded.cells):
        if cell.cell_type != "code" or any(same(cell, given) for given in submission.released.cells):
            continue
        severity = COSTS if submission.is_answer(i) else LOOK
        try:
            names(cell.source)
            for sentence, fails in habits(cell.source):
                yield _at(submission, severity if fails else LOOK, i, sentence)
        except SyntaxError as error:
            broken.append(i)
            where = f"line {error.lineno}: " if error.lineno else ""
            yield _at(submission, severity, i, f"is not Python, {where}{error.msg}")
    yield from _answers(submission, broken)
    yield from _helpers_elsewhere(submission)
    if not any(known.opaque for known in submission.names):
        yield from _unknown_names(submission)


def _answers(submission: Submission, broken: list[int]) -> Iterator[Finding]:
    for name, cell in submission.known.items():
        at = submission.place(name)
        in_words = utils.is_solution(cell) and all(answer != name for answer, _ in submission.asked.values())
        if in_words and at is not None and same(submission.notebook.cells[at], cell):
            yield _at(submission, COSTS, at, "is as it was handed out: write your answer")
    for name, (answer, check) in submission.asked.items():
        at, checked = submission.place(answer), submission.place(check)
        if at not in broken:
            yield from _definition(submission, name, at, len(submission.names) if checked is None else checked)


def _definition(submission: Submission, name: str, at: int | None, checked: int) -> Iterator[Finding]:
    """The check judges the last definition above it: which cell is that?"""
    defining = [i for i, known in enumerate(submission.names) if name in known.defines]
    above = [i for i in defining if i < checked]
    if not above:
        lower = f"only in cell {defining[0] + 1}, below its check: move it above" if defining else "nowhere: write it"
        message = f"{name} is defined {lower}"
        yield _at(submission, COSTS, at, message) if at is not None else Finding(COSTS, message)
    elif above[-1] != at:
        message = f"defines {name}, and not its answer's cell: this one is judged; keep one, in the answer's cell"
        yield _at(submission, LOOK, above[-1], message)
    elif any(same(submission.notebook.cells[above[-1]], cell) for cell in submission.known.values()):
        replaced = f"; it replaces {name} of cell {above[-2] + 1}" if len(above) > 1 else ""
        yield _at(submission, COSTS, above[-1], f"is as it was handed out{replaced}: write {name} here")
    elif "raise NotImplementedError()" in submission.notebook.cells[above[-1]].source:
        yield _at(submission, LOOK, above[-1], "still holds `raise NotImplementedError()`: take it out")


def _helpers_elsewhere(submission: Submission) -> Iterator[Finding]:
    """Names that an answer takes from a cell of the student's own, which is left out when it is graded."""
    given = {name for cell in submission.released.cells for name in read_names(cell).defines}
    answers = {submission.place(answer) for answer, _ in submission.asked.values()} - {None}
    known = given.union(*(submission.names[i].defines for i in answers if i is not None))
    for i in sorted(i for i in answers if i is not None):
        used = (submission.names[i].now | submission.names[i].later) - known
        for own in sorted(submission.own):
            for name in sorted(used & submission.names[own].defines):
                message = f"uses {name} of cell {own + 1}, and only answers are run when they are graded: move it here"
                yield _at(submission, COSTS, i, message)


def _unknown_names(submission: Submission) -> Iterator[Finding]:
    """Names that no cell defines, or only a later one; each is told once, where it costs most."""
    first = {name: i for i, known in reversed(list(enumerate(submission.names))) for name in known.defines}
    known_to_nbgrader = {submission.place(name) for name in submission.known}
    told = set(submission.asked)
    for i, known in sorted(enumerate(submission.names), key=lambda pair: pair[0] not in known_to_nbgrader):
        early = {name for name in known.now if first.get(name, i + 1) > i}
        checked = [submission.place(check) for n, (_, check) in submission.asked.items() if n in known.defines]
        end = min((k for k in checked if k is not None), default=len(submission.names))
        late = {name for name in known.later if first.get(name, end) >= end}
        for name in sorted((early | late) - told):
            told.add(name)
            severity = COSTS if i in known_to_nbgrader else LOOK
            yield _at(submission, severity, i, f"uses {name}, which {_where(submission, name, first.get(name))}")


def _where(submission: Submission, name: str, below: int | None) -> str:
    if below is not None:
        return f"is defined only below, in cell {below + 1}: move that up"
    given = next((c for c in submission.released.cells if name in read_names(c).defines), None)
    if given is None:
        return "no cell defines: is it misspelt, or was its cell or import deleted?"
    return f"no cell defines: put it back; the released notebook has it in “{given.source.splitlines()[0]}”"


def _execute(notebook: NotebookNode, folder: Path, seconds: int) -> NotebookNode:
    """Run it as nbgrader does; a cell that fails, or takes its kernel down, does not keep the others from running."""
    execute = Execute(timeout=seconds, extra_arguments=["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"])
    with utils.setenv(COURSEKIT_SEED=_SEED, NBGRADER_EXECUTION="autograde"):
        executed: NotebookNode = execute.preprocess(notebook, {"metadata": {"path": str(folder)}})[0]
    return executed


def _errors(executed: NotebookNode, submission: Submission) -> Iterator[Finding]:
    for i, cell in enumerate(executed.cells):
        errors = {o.ename: o.evalue for o in cell.get("outputs", []) if o.output_type == "error"}
        checks = is_check(cell)
        if "CellTimeoutError" in errors:
            message = "did not end in time: does a loop never end?"
        elif errors:
            name, value = next(iter(errors.items()))
            if name == "NotImplementedError" and not checks:
                continue  # an answer that is not written, and is told already
            message = f"fails in a fresh kernel: {name}: {value[:200]}"
        elif checks and not any(o.output_type == "execute_result" for o in cell.outputs):
            message = "showed no score"
        else:
            continue
        costs = checks or submission.is_answer(i)
        yield _at(submission, COSTS if costs else LOOK, i, message)


def _scores(executed: NotebookNode, submission: Submission) -> dict[str, tuple[float, float]]:
    known = submission.known.items()
    scores = {name: (0.0, float(mark(cell).points)) for name, cell in known if is_check(cell)}
    for cell in executed.cells:
        if mark(cell).get("grade_id") in scores:
            got, most = utils.determine_grade(cell)
            scores[mark(cell).grade_id] = (float(got or 0), most)
    return scores
