"""Sheets and marks: what is needed for a check, an instructor's own tests, and the reasons that a report gives."""

import re

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from coursekit.grading.marking import IN_PROCESS, OUTSIDE, mark_sheet
from coursekit.grading.reading import checked, needed_cells, read_sheet
from coursekit.grading.sheet import Item, Sheet
from coursekit.grading.store import Store
from coursekit.grading.suspicion import suspicious


def test_only_a_plain_check_is_marked_from_outside():
    assert checked('check("f", f)') == "f"
    for other in ('check("f", g)', 'check("f", f); 4.0', "assert f(1) == 2", 'x = check("f", f)', 'check("f", f', ""):
        assert checked(other) is None


def test_a_check_needs_what_its_answer_uses_and_no_more():
    above = [
        "import torch",
        "slow = train()",
        "def helper(x): return torch.sin(x)",
        "def f(x): return helper(x)",
        "y = f(1)",
    ]
    assert needed_cells(above, {"f"}) == [above[0], above[2], above[3]]
    assert needed_cells(["exec('f = 1')"], {"f"}) == ["exec('f = 1')"]
    assert needed_cells(["def f(x)\n    return x"], {"f"}) == ["def f(x)\n    return x"]


def marked(cell, points=None):
    kind = {"grade": points is not None, "solution": points is None, "locked": points is not None, "task": False}
    cell.metadata.nbgrader = kind | {"grade_id": cell.id, "schema_version": 3} | ({"points": points} if points else {})
    return cell


def test_the_key_of_a_sheet_changes_with_what_matters():
    def sheet(answer, seed=1, remark="x = 1"):
        cells = [new_code_cell(remark), marked(new_code_cell(answer, id="a"))]
        cells.append(marked(new_code_cell('check("nearest_unpool", nearest_unpool)', id="c"), 2))
        return read_sheet(new_notebook(cells=cells), "01_unpooling", seed)

    one = sheet("def nearest_unpool(x, scale):\n    return x")
    assert sheet("def nearest_unpool(x, scale):\n    return x").key() == one.key()
    assert sheet("def nearest_unpool(x, scale):\n    return x", remark="x = 2").key() == one.key()
    assert sheet("def nearest_unpool(x, scale):\n    return x + 0").key() != one.key()
    assert sheet("def nearest_unpool(x, scale):\n    return x", seed=2).key() != one.key()


TESTS = {
    "assert double(2) == 4": 3.0,
    "assert double(2) == 5": 0.0,
    "import sys; print('a warning', file=sys.stderr)\nassert double(2) == 4": 3.0,
    "2.0 if double(2) == 4 else 0.0": 2.0,
    "400.0": 3.0,
    "float('nan')": 0.0,
    "-5.0": 0.0,
    "double(2) == 4": 3.0,
    "import os; os._exit(0)": 0.0,
    "undefined": 0.0,
}


@pytest.mark.slow
@pytest.mark.parametrize("source", TESTS)
def test_a_test_of_the_instructor_s_own(warm, source):
    item = Item("own", 3.0, None, source, ("def double(x):\n    return 2 * x",))
    (mark,) = mark_sheet(Sheet("01_unpooling", 0, (item,)), warm)
    assert mark.points == TESTS[source]
    assert mark.how == IN_PROCESS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "nearest_unpool is not defined"),
        ("def nearest_unpool(x, scale)\n    return x", "SyntaxError"),
        ("raise ValueError('at the top')\ndef nearest_unpool(x, s): return x", "differs|shape"),
        ("nearest_unpool = 5", "should be a function"),
        ("def nearest_unpool(x, scale):\n    raise NotImplementedError()", "not written yet"),
        ("def nearest_unpool(x, scale):\n    return F.interpolate(x, scale_factor=scale)", "write it yourself"),
        (
            "def nearest_unpool(x, scale):\n    y = x.oops\n    return y",
            "AttributeError.*line 2 of nearest_unpool: y = x.oops",
        ),
    ],
)
def test_a_mark_has_its_reason(warm, cell, reason):
    imports = "import torch\nfrom torch.nn import functional as F"
    item = Item("c", 2.0, "nearest_unpool", 'check("nearest_unpool", nearest_unpool)', (imports, cell))
    (mark,) = mark_sheet(Sheet("01_unpooling", 0, (item,)), warm)
    told = " ".join([mark.report["verdict"], *(check["message"] for check in mark.report["checks"])])
    assert (mark.points, mark.how) == (0.0, OUTSIDE)
    assert re.search(reason, told), told


def test_marks_are_kept_whole_or_not_at_all(tmp_path):
    store, sheet = Store(tmp_path), Sheet("01_unpooling", 0, ())
    assert store.get(sheet) is None
    store.put(sheet, [])
    assert store.get(sheet) == []
    (file,) = tmp_path.rglob("*.json")
    file.write_text("{")
    assert store.get(sheet) is None


def test_what_a_human_should_look_at():
    told = suspicious(["import ctypes", "import os\nos.fork()", "exec('x')", "x = 1", "def f(x)"])
    assert told == [
        "looks into the interpreter (ctypes)",
        "runs code made at run time (exec)",
        "starts or stops processes (fork)",
    ]
    assert suspicious(["import torch\ndef f(x):\n    return x.evaluate()"]) == []
