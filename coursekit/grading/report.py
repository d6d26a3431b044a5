"""`coursekit report`: a class on one page, without a server or a network, and the same as a table for a spreadsheet."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from statistics import mean, median

from coursekit import exercises
from coursekit.grading.grade import Course, Submission
from coursekit.grading.marking import IN_PROCESS, Mark
from coursekit.grading.store import write_whole

_SLOWEST = 10


@dataclass
class Student:
    """One student's marks by graded cell, what was found about the submission, and how long it took."""

    name: str
    marks: dict[str, Mark] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(mark.points for mark in self.marks.values())

    @property
    def seconds(self) -> float:
        return sum(mark.seconds for mark in self.marks.values())


@dataclass
class ClassReport:
    """A class's marks of one assignment. `unmarked` are the students whose submission has no marks yet."""

    assignment: str
    students: list[Student]
    unmarked: list[str]

    def titles(self) -> dict[str, float]:
        """The graded cells in order, with the points of each."""
        titles: dict[str, float] = {}
        for student in self.students:
            titles |= {name: mark.of for name, mark in student.marks.items()}
        return titles

    def mistakes(self) -> dict[str, Counter[str]]:
        """By graded cell: how many students made each named mistake."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for student in self.students:
            for name, mark in student.marks.items():
                checks = (mark.report or {}).get("checks", [])
                found[name].update({check["mistake"] for check in checks if check["mistake"]})
        return found

    def to_csv(self) -> str:
        """A line a student: points by graded cell, the sum, seconds, mistakes, what to look at."""
        titles = self.titles()
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["student", *titles, "sum", "of", "seconds", "mistakes", "forbidden calls", "look at"])
        for student in self.students:
            points = [student.marks[name].points if name in student.marks else 0.0 for name in titles]
            checks = [c for m in student.marks.values() for c in (m.report or {}).get("checks", [])]
            mistakes = sorted({check["mistake"] for check in checks if check["mistake"]})
            forbidden = sorted({title for m in student.marks.values() for title in m.forbidden})
            row = [_harmless(student.name), *points, sum(points), sum(titles.values()), round(student.seconds, 1)]
            writer.writerow([*row, "; ".join(mistakes), "; ".join(forbidden), "; ".join(_looks(student))])
        return stream.getvalue()

    def to_html(self) -> str:
        titles = self.titles()
        parts = [_summary(self), _all_marks(self)]
        parts += [_exercise(self, name, of) for name, of in titles.items()]
        parts += [_to_look_at(self), _slowest(self), _table_of_students(self)]
        return _PAGE.format(title=escape(f"{self.assignment}: the class"), body="\n".join(parts))


def make_report(assignment: str, root: Path) -> ClassReport:
    """Read a class's marks as `coursekit grade` has left them.

    Raises:
        RuntimeError: the assignment was not released, or nothing was handed in.
        KeyError: no assignment has that name.
    """
    exercises.load(assignment)
    with chdir(root):
        course = Course(root)
        students, unmarked = [], []
        for submission in course.submissions(assignment):
            student = _student(course, submission)
            if student:
                students.append(student)
            else:
                unmarked.append(submission.student)
    return ClassReport(assignment, students, unmarked)


def write_report(report: ClassReport, folder: Path) -> list[Path]:
    """The page and the table, each written whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        folder / f"{report.assignment}.html": report.to_html(),
        folder / f"{report.assignment}.csv": report.to_csv(),
    }
    for file, text in files.items():
        write_whole(file, text)
    return list(files)


def _student(course: Course, submission: Submission) -> Student | None:
    student = Student(submission.student)
    for name, sheet in submission.sheets.items():
        marks = course.store.get(sheet)
        if marks is None:
            return None
        student.marks |= {mark.grade_id: mark for mark in marks}
        student.findings += submission.findings[name]
    return student


def _harmless(text: str) -> str:
    """A name that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def _looks(student: Student) -> list[str]:
    looks = {sentence for mark in student.marks.values() for sentence in mark.suspicious}
    looks |= {"tests ran beside the answer" for mark in student.marks.values() if mark.how == IN_PROCESS}
    return sorted(looks)


def _summary(report: ClassReport) -> str:
    points = [student.points for student in report.students]
    of = sum(report.titles().values())
    lines = [f"{len(points)} submissions marked, {len(report.unmarked)} not yet."]
    if points:
        lines.append(f"Mean {mean(points):.1f}, median {median(points):.1f} of {of:g} points from the checks.")
    if report.unmarked:
        lines.append(f"Not yet marked: {', '.join(report.unmarked)}.")
    return f"<h1>{escape(report.assignment)}</h1>" + "".join(f"<p>{escape(line)}</p>" for line in lines)


def _all_marks(report: ClassReport) -> str:
    return "<h2>All points</h2>" + _histogram([s.points for s in report.students], sum(report.titles().values()))


def _exercise(report: ClassReport, name: str, of: float) -> str:
    points = [s.marks[name].points for s in report.students if name in s.marks]
    reached = mean(points) / of if points and of else 0.0
    text = f"<h2>{escape(name)}</h2><p>{reached:.0%} of {of:g} points reached.</p>" + _histogram(points, of)
    counted = report.mistakes()[name].most_common()
    if counted:
        rows = [(mistake, f"{count}", f"{count / len(points):.0%}") for mistake, count in counted]
        text += _table("Named mistakes", ("mistake", "students", "share of the class"), rows)
    return text


def _histogram(points: list[float], of: float) -> str:
    """Bars of how many students have how many points, in at most eleven bins; the same as text for who cannot see."""
    if not points or not of:
        return "<p>No marks yet.</p>"
    bins = 10
    counts = Counter(min(int(p / of * bins + 1e-9), bins) for p in points)
    most = max(counts.values())
    bars, told = [], []
    for number in range(bins + 1):
        low = number * of / bins
        label = f"{of:g}" if number == bins else f"{low:g}–"
        count = counts.get(number, 0)
        height = 94 * count / most
        bars.append(
            f'<rect x="{number * 44 + 4}" y="{110 - height:.1f}" width="36" height="{height:.1f}" fill="#1b3fbf"/>'
            f'<text x="{number * 44 + 22}" y="{106 - height:.1f}">{count or ""}</text>'
            f'<text x="{number * 44 + 22}" y="124">{label}</text>'
        )
        if count:
            told.append(f"{count} with {'full marks' if number == bins else f'{low:g} or more'}")
    alt = escape(f"Points of {len(points)} students: {', '.join(told)}.")
    return f'<svg role="img" aria-label="{alt}" viewBox="0 0 488 130" width="488">{"".join(bars)}</svg>'


def _to_look_at(report: ClassReport) -> str:
    rows = []
    for student in report.students:
        forbidden = [f"{name}: calls {title}" for name, mark in student.marks.items() for title in mark.forbidden]
        for what in (*forbidden, *_looks(student), *student.findings):
            rows.append((student.name, what))
    if not rows:
        return "<h2>To look at</h2><p>Nothing.</p>"
    return "<h2>To look at</h2>" + _table("What a human should look at", ("student", "what"), rows)


def _slowest(report: ClassReport) -> str:
    slowest = sorted(report.students, key=lambda student: -student.seconds)[:_SLOWEST]
    rows = [(student.name, f"{student.seconds:.1f}") for student in slowest]
    return "<h2>Slowest</h2>" + _table("Seconds that marking took", ("student", "seconds"), rows)


def _table_of_students(report: ClassReport) -> str:
    titles = report.titles()
    rows = [
        (s.name, *(f"{s.marks[t].points:g}" if t in s.marks else "–" for t in titles), f"{s.points:g}")
        for s in report.students
    ]
    return "<h2>Everybody</h2>" + _table("Points by check", ("student", *titles, "sum"), rows)


def _table(caption: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }}
h2 {{ margin: 2rem 0 .5rem; }}
table {{ border-collapse: collapse; margin: .5rem 0; }}
caption {{ text-align: left; font-weight: 600; padding: .3rem 0; }}
th, td {{ text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ccc; vertical-align: top; }}
svg text {{ font-size: 11px; text-anchor: middle; fill: #1a1a1a; }}
svg {{ max-width: 100%; height: auto; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
