"""A run from end to end: the same again from the same seed, another from another, and nothing half-written."""

import json
from dataclasses import replace

import pytest
import torch

from coursekit.results import EXPERIMENTS
from coursekit.results import run as module
from coursekit.results.experiments import Row, plain
from coursekit.results.records import path_of, read
from coursekit.results.run import run, run_experiment

STREETS = EXPERIMENTS["streets"]
UNET = {"num_classes": 11, "in_channels": 3, "base_channels": 2, "depth": 2, "padding": "same", "dropout": 0.5}
TINY = replace(
    STREETS,
    name="tiny",
    data={"set": "streets", "size": (32, 48), "train": 16, "test": 8},
    rows=(Row("unet", "U-Net", "unet", UNET),),
    epochs=2,
    seeds=(0, 1),
    checkpoints="",
)


def outcome(record):
    return {key: record[key] for key in ("settings", "parameters", "losses", "scores")}


def test_a_run_repeats_itself_to_the_last_bit(tmp_path):
    first, second = (run(TINY, TINY.rows[0], 0, folder=tmp_path, report=lambda line: None) for _ in range(2))
    assert outcome(first) == outcome(second)
    assert first["losses"][1] < first["losses"][0]
    other = run(TINY, TINY.rows[0], 1, folder=tmp_path, report=lambda line: None)
    assert other["losses"] != first["losses"]


def test_the_file_holds_the_record(tmp_path):
    record = run(TINY, TINY.rows[0], 0, folder=tmp_path, report=lambda line: None)
    assert read(path_of(TINY, TINY.rows[0], 0, tmp_path)) == json.loads(json.dumps(record))
    assert record["settings"] == plain(record["settings"])
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["unet.0.json"]


def test_what_is_recorded_is_not_run_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(EXPERIMENTS, "tiny", TINY)
    run_experiment("tiny", folder=tmp_path)
    asked = []
    monkeypatch.setattr(module, "run", lambda experiment, row, seed, folder: asked.append(seed) or {"scores": {}})
    path_of(TINY, TINY.rows[0], 1, tmp_path).unlink()
    run_experiment("tiny", folder=tmp_path)
    run_experiment("tiny", seed=0, again=True, folder=tmp_path)
    assert asked == [1, 0]
    assert "epoch 2 of 2" in capsys.readouterr().out


def test_wrong_names_are_told_the_right_ones():
    with pytest.raises(KeyError, match=r"'camvod'.*camvid"):
        run_experiment("camvod")
    with pytest.raises(KeyError, match=r"'vnet'.*unet"):
        run_experiment("camvid", row="vnet")
    with pytest.raises(ValueError, match="0, 1, 2, not 7"):
        run_experiment("camvid", seed=7)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    mad = replace(TINY, rows=(replace(TINY.rows[0], learning_rate=1e30),))
    with pytest.raises((RuntimeError, FloatingPointError)):
        run(mad, mad.rows[0], 0, folder=tmp_path, report=lambda line: None)
    assert not list(tmp_path.rglob("*.json"))


def test_threads_are_one_so_that_sums_have_one_order(tmp_path):
    record = run(TINY, TINY.rows[0], 0, folder=tmp_path, report=lambda line: None)
    assert record["machine"]["threads"] == torch.get_num_threads() == 1
