"""Build the notebook that is graded: the released one, with nothing of the submission but its answers' source.

Metadata, tags, outputs, attachments and every other cell of what was sent are left behind. So are all the ways in
which they could decide a mark. What a human marker may want to read comes last, as text.
"""

import json
import re
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader import utils

from coursekit.grading.submission import is_known, mark

MOST_BYTES = 64 * 2**20
_MOST_TEXT = 200_000
_UNSEEN = "\N{WORD JOINER}"
NOTE, LEFT_OUT = "submission-note", "submission-left-out"


@dataclass
class Rebuilt:
    """The notebook to grade, and what was found about the submission, in sentences; `broken` if none of it was read."""

    notebook: NotebookNode
    findings: list[str] = field(default_factory=list)
    broken: bool = False


@dataclass(frozen=True)
class _Cell:
    kind: str
    grade_id: str | None
    source: str


def rebuild(released: NotebookNode, sent: bytes) -> Rebuilt:
    """The released notebook with a submission's answers; with none, and the reason, where it is no notebook at all."""
    notebook = deepcopy(released)
    try:
        cells = _read(sent)
    except ValueError as error:
        rebuilt = Rebuilt(notebook, [f"{error} Nothing of it could be graded."], broken=True)
        _note(rebuilt, [])
        return rebuilt
    rebuilt = Rebuilt(notebook)
    for cell in notebook.cells:
        if is_known(cell) and utils.is_solution(cell) and not utils.is_locked(cell):
            _fill(cell, cells, rebuilt.findings)
    sent_ids = {cell.grade_id for cell in cells}
    for cell in released.cells:
        if utils.is_locked(cell) and mark(cell).grade_id not in sent_ids:
            rebuilt.findings.append(f"The cell {mark(cell).grade_id} was deleted; it is there again.")
    _note(rebuilt, _left_out(cells, released))
    return rebuilt


def read_sent(file: Path) -> bytes:
    """The bytes of a submitted file; none of a link, which could show somebody else's, or of what is no file."""
    return file.read_bytes() if file.is_file() and not file.is_symlink() else b""


def _read(sent: bytes) -> list[_Cell]:
    """The cells of a notebook, as far as they are any. Raises ValueError with a sentence for what is no notebook."""
    if not sent:
        raise ValueError("The notebook is missing or empty.")
    if len(sent) > MOST_BYTES:
        raise ValueError(f"The notebook has {len(sent) / 2**20:.0f} MB; {MOST_BYTES // 2**20} are allowed.")
    try:
        data = json.loads(sent.decode("utf-8", errors="replace"))
    except (ValueError, RecursionError):
        raise ValueError("The file is not JSON, so it is no notebook.") from None
    sheets = data.get("worksheets") if isinstance(data, dict) else None
    found = sheets[0] if isinstance(sheets, list) and sheets else data
    cells = found.get("cells") if isinstance(found, dict) else None
    if not isinstance(cells, list):
        raise ValueError("The file is JSON, but not a notebook: it has no cells.")
    return [_cell(cell) for cell in cells if isinstance(cell, dict)]


def _cell(cell: dict[str, Any]) -> _Cell:
    source = cell.get("source", cell.get("input", ""))
    text = "".join(part for part in source if isinstance(part, str)) if isinstance(source, list) else source
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = marks.get("grade_id") if isinstance(marks, dict) else None
    return _Cell(
        kind=str(cell.get("cell_type")),
        grade_id=grade_id if isinstance(grade_id, str) else None,
        source=text.encode("utf-8", errors="replace").decode() if isinstance(text, str) else "",
    )


def _fill(cell: NotebookNode, cells: list[_Cell], findings: list[str]) -> None:
    """Put the answer into its cell; of copies, the last one counts, as in nbgrader."""
    name = mark(cell).grade_id
    answers = [c for c in cells if c.grade_id == name]
    if not answers:
        findings.append(f"The answer {name} is missing: its cell was deleted, or has lost its mark.")
        return
    if len({answer.source for answer in answers}) > 1:
        findings.append(f"The answer {name} is there {len(answers)} times; the last one is graded.")
    source = answers[-1].source
    if not source.strip():
        findings.append(f"The answer {name} is empty.")
    elif len(source) > _MOST_TEXT:
        findings.append(f"The answer {name} has {len(source):,} characters; {_MOST_TEXT:,} are allowed.")
        return
    cell.source = _disarmed(source) if cell.cell_type == "markdown" else source


def _disarmed(text: str) -> str:
    """An answer in words in which HTML, links and TeX that makes HTML are text: formgrader shows it to its marker.

    A link could run a script at a click, which may change marks; a picture tells another server who reads. What makes
    them is broken by a character that is not seen. Entities come first: a browser would turn them into all of it.
    """
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    text = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)
    return re.sub(r"\](?=[(:])|\\(?=href|class|style|cssId|require)", rf"\g<0>{_UNSEEN}", text)


def _left_out(cells: list[_Cell], released: NotebookNode) -> list[str]:
    known = {cell.source.strip() for cell in released.cells}
    ids = {mark(cell).grade_id for cell in released.cells if is_known(cell)}
    return [c.source for c in cells if c.source.strip() and c.grade_id not in ids and c.source.strip() not in known]


def _note(rebuilt: Rebuilt, left_out: list[str]) -> None:
    cells = rebuilt.notebook.cells
    if left_out:
        rebuilt.findings.append(
            f"{len(left_out)} cell{'s' if len(left_out) > 1 else ''} of the student's own "
            "stand at the end, to be read; only the answers were run."
        )
        text = "\n\n# ────────\n\n".join(["# Cells of the student's own. They were not run.", *left_out])[:_MOST_TEXT]
        cells.append(nbformat.v4.new_code_cell(text, id=LEFT_OUT))
    if rebuilt.findings:
        text = "\n".join(["**About this submission**", "", *(f"- {finding}" for finding in rebuilt.findings)])
        cells.insert(0, nbformat.v4.new_markdown_cell(text, id=NOTE))
