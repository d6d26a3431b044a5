"""`coursekit train`: any network on any set from a shell, and again to go on."""

import pytest
from typer.testing import CliRunner

from coursekit import data
from coursekit.cli import app


def train(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)], catch_exceptions=False)


@pytest.mark.slow
def test_a_real_set_is_trained_on_and_the_same_command_goes_on(tmp_path, monkeypatch):
    try:
        data.CamVid()
    except data.MissingSetError as error:
        pytest.skip(str(error))
    monkeypatch.chdir(tmp_path)
    command = ("unet", "--data", "camvid", "--size", 24, 32, "--width", 2, "--epochs", 1)
    first = train(*command)
    assert first.exit_code == 0
    assert "on 367 pictures of camvid at 24 × 32" in first.output
    assert "epoch 1, loss" in first.output
    assert "give the same command more epochs: --epochs 2" in first.output
    folder = tmp_path / "runs" / "unet-camvid"
    assert {path.name for path in folder.iterdir()} == {"checkpoint.pt", "weights.safetensors", "history.json"}
    before = (folder / "checkpoint.pt").stat().st_mtime_ns
    again = train(*command)
    assert "epoch 1, loss" in again.output  # the best one; nothing was trained
    assert (folder / "checkpoint.pt").stat().st_mtime_ns == before
