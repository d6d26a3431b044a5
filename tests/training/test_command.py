"""`coursekit train`: any network on any set from a shell, and again to go on."""

import pytest
from typer.testing import CliRunner

from coursekit import data
from coursekit.cli import app
from coursekit.training import recipe


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


@pytest.mark.parametrize("model", recipe.NARROW)
def test_every_network_has_a_narrow_form_that_learns_its_task(model, monkeypatch):
    real = data.StreetScenes
    monkeypatch.setattr(data, "StreetScenes", lambda length, *others, **options: real(2, *others, **options))
    size = (64, 64)
    task = recipe.task_for(model)
    train, validation, classes = recipe.sets("streets", task, size)
    assert classes == 11
    assert len(train) == len(validation) == 2
    network = recipe.network(model, classes, size)
    assert sum(parameter.numel() for parameter in network.parameters()) < 6e6
    wider = recipe.network(model, classes, size, width=24)
    assert sum(map(len, wider.parameters())) > sum(map(len, network.parameters()))


def test_what_does_not_go_together_is_said():
    with pytest.raises(ValueError, match=r"no training of 'yolop' by command; there is for fcn32s, "):
        recipe.task_for("yolop")
    with pytest.raises(ValueError, match=r"'nuclei' has no labels for a semantic network; there are streets, camvid"):
        recipe.sets("nuclei", "semantic", (32, 32))
    with pytest.raises(data.MissingSetError, match="data get camvid"):
        raise_missing()


def raise_missing():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSEKIT_DATA", "/nowhere")
        patch.setattr("pooch.os_cache", lambda name: "/nowhere")
        recipe.sets("camvid", "semantic", (32, 32))
