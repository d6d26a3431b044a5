"""Marks by content: a folder of small files, each written whole or not at all."""

import json
import os
from pathlib import Path

from coursekit.grading.marking import Mark
from coursekit.grading.sheet import Sheet


class Store:
    """The marks that are known already, by the sheets' keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, sheet: Sheet) -> list[Mark] | None:
        """The marks of this very sheet, or None; a damaged file counts as none."""
        try:
            data = json.loads(self._file(sheet).read_text(encoding="utf-8"))
            marks = [Mark.from_dict(entry) for entry in data["marks"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return marks if [m.grade_id for m in marks] == [item.grade_id for item in sheet.items] else None

    def put(self, sheet: Sheet, marks: list[Mark]) -> None:
        """Raises OSError where it cannot be written; then nothing is."""
        file = self._file(sheet)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps({"marks": [m.to_dict() for m in marks]}, indent=1))

    def _file(self, sheet: Sheet) -> Path:
        key = sheet.key()
        return self.folder / key[:2] / f"{key}.json"


def write_whole(file: Path, text: str) -> None:
    """Write beside, flush to the disk, rename into place."""
    beside = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
