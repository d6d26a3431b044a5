"""The growing table: one row a network, in the order of the lectures, with numbers from the catalogue and the runs."""

import pytest

from coursekit.models import CATALOGUE
from coursekit.results.growing import HEADER, growing_table


def test_it_grows():
    sizes = [len(growing_table(lecture).rows) for lecture in range(3, 11)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 1
    assert sizes[-1] == len({facts.name for facts in CATALOGUE})


def test_its_facts_are_the_catalogues():
    rows = {row[0]: row for row in growing_table(7).rows}
    assert rows["U-Net"][1:4] == ("31,030,658", "140", "16")
    assert "PSPNet-50" not in rows
    assert all(len(row) == len(HEADER) for row in rows.values())


def test_what_has_not_been_trained_is_left_empty(tmp_path):
    assert {row[4:] for row in growing_table(10, tmp_path).rows} == {("",) * 4}


@pytest.mark.parametrize("shown", [repr, lambda table: table._repr_html_()])
def test_it_shows_itself(shown):
    text = shown(growing_table(10))
    for cell in ("U-Net", "31,030,658", "receptive field"):
        assert cell in text
