"""The tables say what the files say, and the files are those of the experiments as they stand."""

import json
import re
from pathlib import Path
from statistics import mean, stdev

import pytest

from coursekit import results
from coursekit.results import EXPERIMENTS
from coursekit.results.experiments import Column, Experiment, Row
from coursekit.results.records import RUNS, path_of, read
from coursekit.results.tables import Line, Measured, Table, interval

ROOT = Path(__file__).parents[2]
FILES = sorted(RUNS.glob("*/*.json"))
NUMBERS_TYPED_BY_HAND = re.compile(r"\d\.\d+ ?±|\d+ ?% ?(mean )?IoU", re.IGNORECASE)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_row_has_been_run_with_every_seed(name):
    experiment = EXPERIMENTS[name]
    missing = [
        (row.name, seed)
        for row in experiment.rows
        for seed in experiment.seeds
        if not path_of(experiment, row, seed).is_file()
    ]
    assert not missing, f"coursekit results run {name}"


@pytest.mark.parametrize("name", ["camvid", "isbi2012", "nuclei", "losses"])
def test_what_is_compared_has_three_seeds(name):
    assert len(set(EXPERIMENTS[name].seeds)) == 3
    for line in results.table(name).lines:
        assert [run["seed"] for run in line.runs] == list(EXPERIMENTS[name].seeds)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_is_of_its_experiment_as_it_stands(path):
    record = read(path)
    experiment = EXPERIMENTS[record["experiment"]]
    row = experiment.row(record["row"])
    assert path == path_of(experiment, row, record["seed"])
    assert record["settings"] == experiment.settings(row), f"run again: {record['command']} --again"
    assert record["command"] == f"coursekit results run {experiment.name} --row {row.name} --seed {record['seed']}"
    assert len(record["losses"]) == experiment.epochs
    assert {column.score for column in experiment.columns} <= record["scores"].keys()
    assert record["cpu_seconds"]["training"] > 0
    assert {"python", "torch", "coursekit"} <= record["versions"].keys()
    assert record["machine"]["processor"]


def test_no_two_seeds_gave_the_same_scores():
    for name in results.names():
        for line in results.table(name).lines:
            scores = [json.dumps(run["losses"]) for run in line.runs]
            assert len(set(scores)) == len(scores), (name, line.row.name)


def test_fcn_s_skips_help_as_in_the_paper():
    table = results.table("camvid")
    coarse, middle, fine = (table.line(name).measured("mean_iou").mean for name in ("fcn32s", "fcn16s", "fcn8s"))
    assert coarse < middle < fine


def test_both_detectors_find_nuclei_with_every_seed():
    """Bright blobs on black: where a network misses most of them, a setting is wrong, and no score says anything."""
    for name in ("mask-rcnn", "yolact"):
        assert min(results.table("nuclei").line(name).measured("ap50").values) > 0.5, name


def test_the_mean_and_spread_in_the_table_are_those_of_the_files():
    table = results.table("camvid")
    cells = {row[0]: row for row in table.cells}
    for row in EXPERIMENTS["camvid"].rows:
        runs = [json.loads(path.read_text()) for path in RUNS.glob(f"camvid/{row.name}.*.json")]
        scores = [100 * run["scores"]["mean_iou"] for run in runs]
        assert cells[row.title][1] == f"{mean(scores):.1f} ± {stdev(scores):.1f}"


def test_the_interval_is_student_s():
    """For 1, 2, 3: mean 2, deviation 1, t(0.975, 2 degrees of freedom) = 4.3027."""
    low, high = Measured((1.0, 2.0, 3.0)).interval
    assert (low, high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    assert Measured((1.0,)).interval is None
    assert Measured((1.0,)).spread is None


def test_the_interval_of_a_fraction_ends_where_fractions_do():
    scattered = Measured((0.0, 0.0, 0.8))
    assert interval(scattered, Column("dice", "Dice")) == "0.0 … 100.0"
    assert interval(scattered, Column("merged", "merged", percent=False)).startswith("-0.9")


@pytest.fixture
def small_table():
    experiment = Experiment(
        *("x", "A <title>", "About it.", "semantic", {}, (Row("a", "A | b", "unet"),)),
        columns=(Column("score", "score"), Column("count", "count", percent=False)),
        epochs=1,
    )
    runs = [
        {"scores": {"score": s, "count": c}, "parameters": 1234, "cpu_seconds": {"training": 10}}
        for s, c in ((0.5, 1), (0.6, 2), (0.7, 3))
    ]
    return Table(experiment, [Line(experiment.rows[0], tuple(runs))])


def test_every_form_of_a_table_holds_its_numbers(small_table):
    for form in (repr(small_table), small_table.markdown(), small_table._repr_html_()):
        for text in ("score, %", "60.0 ± 10.0", "2.0 ± 1.0", "35.2 … 84.8", "1,234", "10", "three seeds"):
            assert text.replace("three", "3") in form
    assert "A &lt;title&gt;" in small_table._repr_html_()
    assert small_table._repr_html_().count('scope="col"') == len(small_table.header)


def test_an_unknown_name_is_told_which_exist(tmp_path):
    with pytest.raises(KeyError, match=r"'camvod'.*camvid"):
        results.table("camvod")
    with pytest.raises(KeyError, match="none at all"):
        results.table("camvid", tmp_path)
    with pytest.raises(KeyError, match=r"'vnet'.*unet"):
        results.table("camvid").line("vnet")


def test_the_document_is_in_step_with_the_files():
    written = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert written == results.document(), "coursekit results show --markdown > docs/results.md"


def test_nobody_types_a_score_into_a_lecture():
    """What a lecture says of a measured score comes out of a cell, not out of its text."""
    typed = []
    for notebook in ROOT.glob("lectures/*.ipynb"):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown" and NUMBERS_TYPED_BY_HAND.search("".join(cell["source"])):
                typed.append((notebook.name, cell["id"]))
    assert not typed
