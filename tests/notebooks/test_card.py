"""The card is counted and measured, and notices when it is off."""

import nbformat
import pytest

from coursekit.notebooks import Card, run, yardstick
from coursekit.notebooks.card import IMPORTS

SPENDS = """
import time
_until = time.process_time() + 2
while time.process_time() < _until: pass
"""


def lecture(code, card="anything"):
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_markdown_cell(card, id="card"), nbformat.v4.new_code_cell(code, id="work")]
    return notebook


def test_running_a_lecture_writes_what_it_took(tmp_path):
    file = tmp_path / "lecture.ipynb"
    nbformat.write(lecture(SPENDS), file)
    card = run(file)
    stored = nbformat.read(file, as_version=4)
    assert str(Card.on(stored)) == str(card) == stored.cells[0].source
    assert len(stored.cells) == 2
    assert card.seconds > 0
    assert 0.02 < card.gigabytes < 1


def test_a_lecture_that_only_imports_takes_what_imports_count(tmp_path):
    """However long they take on this machine."""
    file = tmp_path / "lecture.ipynb"
    nbformat.write(lecture("import torch, torchvision\nfrom coursekit import figures, models, training"), file)
    assert run(file).seconds == pytest.approx(IMPORTS, abs=1)


def test_a_card_is_off_by_more_than_half():
    card = Card(30, 40, 1.0)
    assert card.is_off(Card(31, 45, 0.9)) == []
    assert card.is_off(Card(31, 90, 0.9)) == ["the card says 40 seconds to run, it is 90"]
    assert len(card.is_off(Card(10, 10, 2.0))) == 3


def test_reading_takes_longer_with_more_words():
    short, long = (Card.of(lecture("1", "word " * count), 1, 1).minutes for count in (100, 1000))
    assert long > short + 5


def test_a_notebook_without_card_has_none():
    assert Card.on(lecture("1", "no card")) is None


def test_the_yardstick_measures_something():
    assert 0 < yardstick() < 60
