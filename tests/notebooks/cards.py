"""A pytest plugin beside nbval: when a lecture has run, its card must say what the run took.

`make test` loads it with `-p tests.notebooks.cards`, so that no lecture runs twice.
"""

import json
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell

from coursekit.notebooks.card import MEASURE, Card


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item, nextitem):
    last = isinstance(item, IPyNbCell) and getattr(nextitem, "parent", None) is not item.parent
    wrong = _wrong(item) if last else []
    result = yield  # the kernel stops, whatever its card says
    assert not wrong, f"{'; '.join(wrong)}: run `coursekit notebooks run {item.parent.path.name}`"
    return result


def _wrong(item):
    """What of the card on a notebook is off, now that its last cell has run."""
    card = Card.on(item.parent.nb)
    if card is None or not _ran_whole(item):
        return []
    measured = Card.of(item.parent.nb, **_measure(item.parent.kernel, Path(item.parent.path)))
    print(f"{item.parent.path.name}: {measured}")
    return card.is_off(measured)


def _ran_whole(item):
    """Whether all of the notebook's cells were chosen, not some of them with -k."""
    code = [cell for cell in item.parent.nb.cells if cell.cell_type == "code"]
    return sum(other.parent is item.parent for other in item.session.items) == len(code)


def _measure(kernel, file):
    told = file.with_name(f".{file.stem}.cost")
    try:
        code = f"import contextlib\nwith contextlib.redirect_stdout(open({str(told)!r}, 'w')):\n"
        message = kernel.execute_cell_input(code + "".join(f"    {line}\n" for line in MEASURE.strip().splitlines()))
        kernel.await_reply(message, timeout=60)
        return json.loads(told.read_text())
    finally:
        told.unlink(missing_ok=True)
