"""`coursekit grade`: mark a class in parallel, then have nbgrader record it, one submission after another.

The marks by content come first, so that whatever is interrupted goes on where it was; the gradebook is then brought
into agreement with them. Nothing is recorded twice, and a mark in the gradebook that is not the submission's is
replaced.
"""

import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import nbformat
from nbformat import NotebookNode
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from coursekit.grading.course import course_config
from coursekit.grading.marking import Mark
from coursekit.grading.plugins import instructors_seed, released_notebook
from coursekit.grading.pool import Marked, ahead, mark_all
from coursekit.grading.reading import read_sheet
from coursekit.grading.rebuild import read_sent, rebuild
from coursekit.grading.sheet import Sheet
from coursekit.grading.store import Store

RESULTS = Path("grading/results")
Answer = TypeVar("Answer")
_PATIENCE = (1, 2, 4, 8, 16, 30)  # seconds to wait for a locked gradebook


@dataclass
class Submission:
    """One student's notebooks of one assignment, and what is to be marked in each."""

    student: str
    sheets: dict[str, Sheet] = field(default_factory=dict)
    findings: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)  # of all cells, written answers among them


@dataclass
class Outcome:
    """What a run has done: newly marked, recorded, left as they were, and not recorded with the reason."""

    marked: int = 0
    recorded: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class Course:
    """A course's folder, as nbgrader sees it."""

    def __init__(self, root: Path) -> None:
        from nbgrader.apps.api import NbGraderAPI
        from nbgrader.coursedir import CourseDirectory

        self.root = root
        self.config = course_config(root)
        self.api = NbGraderAPI(CourseDirectory(config=self.config), config=self.config)
        self.api.log_level = "ERROR"
        self.coursedir = self.api.coursedir
        self.store = Store(root / RESULTS)

    def submissions(self, assignment: str) -> list[Submission]:
        """All that was handed in, rebuilt.

        Raises:
            RuntimeError: the assignment was not released, or nothing was handed in.
        """
        masters = self._masters(assignment)
        folder = self.coursedir.format_path(self.coursedir.submitted_directory, "*", assignment)
        found = []
        for path in sorted(self.root.glob(str(Path(folder).relative_to(self.root)))):
            submission = Submission(path.parent.name)
            for name, master in masters.items():
                rebuilt = rebuild(master, read_sent(path / f"{name}.ipynb"))
                submission.sheets[name] = read_sheet(rebuilt.notebook, assignment, instructors_seed())
                submission.findings[name] = rebuilt.findings
                submission.texts[name] = [cell.source for cell in rebuilt.notebook.cells]
            found.append(submission)
        if not found:
            raise RuntimeError(f"nothing was handed in for {assignment}: no {folder}")
        return found

    def _masters(self, assignment: str) -> dict[str, NotebookNode]:
        """The released notebooks, with hidden tests back in their cells, as nbgrader will put them there."""
        from nbgrader.api import MissingEntry

        def read(gradebook: Any) -> dict[str, NotebookNode]:
            names = [notebook.name for notebook in gradebook.find_assignment(assignment).notebooks]
            masters = {name: released_notebook(self.coursedir, assignment, name) for name in names}
            for name, notebook in masters.items():
                for cell in notebook.cells:
                    facts = cell.metadata.get("nbgrader", {})
                    if facts.get("locked"):
                        cell.source = gradebook.find_source_cell(facts["grade_id"], name, assignment).source
            return masters

        try:
            return self._ask(read)
        except MissingEntry:
            raise RuntimeError(f"{assignment} is not released: nbgrader generate_assignment {assignment}") from None

    def _ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Put a question to the gradebook, and wait where somebody else holds it.

        Raises:
            RuntimeError: it stays locked, or is damaged; the message says what to do.
        """
        from sqlalchemy.exc import DatabaseError, OperationalError

        for seconds in (*_PATIENCE, 0):
            try:
                with self.api.gradebook as gradebook:
                    return question(gradebook)
            except OperationalError as error:
                if "locked" not in str(error) or not seconds:
                    raise RuntimeError(f"{self._unreadable()}: {error.orig}") from None
                time.sleep(seconds)
            except DatabaseError as error:
                raise RuntimeError(f"{self._unreadable()}: {error.orig}") from None
        raise AssertionError("the last try has no patience left")

    def _unreadable(self) -> str:
        from sqlalchemy.engine import make_url

        url = make_url(self.coursedir.db_url).render_as_string(hide_password=True)
        return (
            f"the gradebook {url} cannot be read; restore it from a copy, or move it away, release "
            f"again and run this again: the marks are kept in {RESULTS}"
        )

    def is_recorded(self, assignment: str, submission: Submission, marks: dict[str, list[Mark]]) -> bool:
        """Whether gradebook and autograded notebooks say what the marks say."""
        from nbgrader.api import MissingEntry

        folder = Path(self.coursedir.format_path(self.coursedir.autograded_directory, submission.student, assignment))

        def read(gradebook: Any) -> dict[str, dict[str, float]]:
            found = {name: gradebook.find_submission_notebook(name, assignment, submission.student) for name in marks}
            return {name: {g.name: g.auto_score for g in notebook.grades} for name, notebook in found.items()}

        try:
            there = self._ask(read)
            graded = {name: nbformat.read(folder / f"{name}.ipynb", as_version=4) for name in marks}
        except (MissingEntry, OSError, ValueError):
            return False
        texts = {name: [cell.source for cell in notebook.cells] for name, notebook in graded.items()}
        agree = all(there[name].get(mark.grade_id) == mark.points for name in marks for mark in marks[name])
        return bool(marks) and agree and texts == submission.texts

    def stand_in(self, assignment: str, student: str, name: str) -> None:
        """Put an empty file where a notebook is missing: nbgrader would go past it, and an earlier mark would stay."""
        folder = self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment)
        file = Path(folder, f"{name}.ipynb")
        if file.is_file():
            return
        if file.is_dir():
            file.rename(file.with_suffix(".folder"))
        else:
            file.unlink(missing_ok=True)  # a pipe, or a link to nothing
        file.touch()

    def record(self, assignment: str, student: str) -> str:
        """Have nbgrader record a submission whose marks are stored; the reason if it could not, else nothing."""
        for seconds in (*_PATIENCE, 0):
            result = self.api.autograde(assignment, student, force=True)
            if result["success"]:
                return ""
            told = str(result.get("error") or result.get("log") or "nbgrader gave no reason")
            if "locked" not in told or not seconds:
                break
            time.sleep(seconds)
        lines = [line for line in told.strip().splitlines() if line.strip()]
        return lines[-1] if lines else told


def grade(
    assignment: str,
    root: Path,
    console: Console,
    workers: int = 1,
    boxed: bool = True,
    scheduler: str | None = None,
) -> Outcome:
    """Mark and record every submission of an assignment.

    Args:
        workers: processes that mark.
        scheduler: the address of a Dask cluster that marks in their place.

    Raises:
        RuntimeError: the assignment was not released, or nothing was handed in.
        CannotIsolate: students' code cannot be shut in here.
    """
    with chdir(root), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy's, about nbgrader's own queries
        course = Course(root)
        submissions = course.submissions(assignment)
        outcome = Outcome()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
            task = progress.add_task("recording", total=len(submissions))

            def tell(students: list[str]) -> None:
                done = f"{len(outcome.recorded)} recorded, {len(outcome.failed)} failed"
                progress.update(task, description=f"marking {', '.join(students)}; {done}")

            for submission in _marked(course, submissions, workers, boxed, scheduler, outcome, tell):
                _record(course, assignment, submission, outcome)
                progress.advance(task)
    return outcome


def _marked(
    course: Course,
    submissions: list[Submission],
    workers: int,
    boxed: bool,
    scheduler: str | None,
    outcome: Outcome,
    tell: Callable[[list[str]], None],
) -> Iterator[Submission]:
    """Each submission as soon as all its sheets have marks; first those that had them before.

    Args:
        tell: is told whose sheets are being marked.
    """
    waiting: dict[int, set[str]] = {}
    owners: dict[str, list[int]] = defaultdict(list)
    todo: dict[str, Sheet] = {}
    for number, submission in enumerate(submissions):
        missing = {sheet.key(): sheet for sheet in submission.sheets.values() if course.store.get(sheet) is None}
        waiting[number] = set(missing)
        todo |= missing
        for key in missing:
            owners[key].append(number)
        if not missing:
            yield submission
    sheets = list(todo.values())

    def whose(position: int) -> str:
        return submissions[owners[sheets[position].key()][0]].student

    def kept() -> Iterator[Marked]:
        for position, marks in mark_all(sheets, workers, boxed, scheduler, lambda at: tell([whose(n) for n in at])):
            course.store.put(sheets[position], marks)
            yield position, marks

    here = workers == 1 and not scheduler
    for position, _ in kept() if here else ahead(kept()):
        outcome.marked += 1
        key = sheets[position].key()
        for number in owners[key]:
            waiting[number].discard(key)
            if not waiting[number]:
                yield submissions[number]


def _record(course: Course, assignment: str, submission: Submission, outcome: Outcome) -> None:
    marks = {name: course.store.get(sheet) or [] for name, sheet in submission.sheets.items()}
    if course.is_recorded(assignment, submission, marks):
        outcome.unchanged.append(submission.student)
        return
    for name in submission.sheets:
        course.stand_in(assignment, submission.student, name)
    problem = course.record(assignment, submission.student)
    if problem:
        outcome.failed[submission.student] = problem
    else:
        outcome.recorded.append(submission.student)
