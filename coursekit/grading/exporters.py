"""Grades in the form that learning platforms import: plugins for `nbgrader export --exporter`."""

import csv
from pathlib import Path
from typing import Any, ClassVar

from nbgrader.api import MissingEntry
from nbgrader.plugins.export import ExportPlugin


class PlatformExport(ExportPlugin):
    """A line a student, a column an assignment. What a platform calls things is up to the subclass."""

    file: ClassVar[str]
    head: ClassVar[tuple[str, ...]]

    def export(self, gradebook: Any) -> None:
        """Write the file whole, or not at all."""
        assignments = [a for a in gradebook.assignments if not self.assignment or a.name in self.assignment]
        students = [s for s in gradebook.students if not self.student or s.id in self.student]
        rows = [[*self.head, *(a.name for a in assignments)], *self.more(assignments)]
        rows += [[*self.who(student), *(_score(gradebook, a, student) for a in assignments)] for student in students]
        target = Path(self.to or self.file)
        beside = target.with_name(f"{target.name}.part")
        with beside.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)
        beside.replace(target)

    def more(self, assignments: list[Any]) -> list[list[Any]]:
        """Lines between the head and the students."""
        return []

    def who(self, student: Any) -> list[str]:
        """What stands in the columns of the head."""
        raise NotImplementedError


class CanvasExport(PlatformExport):
    """For Canvas: Grades › Import. Canvas finds students by their login."""

    file = "canvas.csv"
    head = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")

    def more(self, assignments: list[Any]) -> list[list[Any]]:
        return [["    Points Possible", "", "", "", "", *(a.max_score for a in assignments)]]

    def who(self, student: Any) -> list[str]:
        return [_name(student), "", "", student.id, ""]


class MoodleExport(PlatformExport):
    """For Moodle: Grades › Import › CSV file. Map from the column Username."""

    file = "moodle.csv"
    head = ("Username", "First name", "Last name", "Email address")

    def who(self, student: Any) -> list[str]:
        return [student.id, student.first_name or "", student.last_name or "", student.email or ""]


def _name(student: Any) -> str:
    names = [name for name in (student.last_name, student.first_name) if name]
    return ", ".join(names) or str(student.id)


def _score(gradebook: Any, assignment: Any, student: Any) -> float:
    try:
        submission = gradebook.find_submission(assignment.name, student.id)
    except MissingEntry:
        return 0.0
    return max(0.0, float(submission.score) - float(submission.late_submission_penalty or 0.0))
