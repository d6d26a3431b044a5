"""Killed with SIGKILL at any moment, a run goes on and ends with the same weights to the last bit."""

import json
import multiprocessing
import runpy
import signal
import time
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from coursekit import training
from coursekit.training.checkpoints import load_state

VICTIM = str(Path(__file__).with_name("victim.py"))
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["accelerate", "torchvision", "coursekit.training.fit"])


def start(folder, death=None, workers=0):
    about = {"folder": str(folder), "death": death, "workers": workers}
    process = processes.Process(target=runpy.run_path, args=(VICTIM,), kwargs={"init_globals": about})
    process.start()
    return process


def run(folder, death=None, workers=0):
    """The exit code of a run in its own process: 0, or −9 when it was killed."""
    process = start(folder, death, workers)
    process.join()
    return process.exitcode


def left_by(folder):
    """What a run leaves, but for times."""
    state = load_state(folder / "checkpoint.pt")
    for epoch in state["history"]["epochs"]:
        del epoch["seconds"]
    return {
        "weights": (folder / "weights.safetensors").read_bytes(),
        "model": (folder / "model.safetensors").read_bytes(),
        "history": [{**each, "seconds": 0} for each in json.loads((folder / "history.json").read_text())["epochs"]],
        "state": state,
    }


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run(folder) == 0
    return left_by(folder)


# 6 batches an epoch; a checkpoint after each, one before the first and one after each epoch: 22 of them. Weights and
# history are renamed too, 44 times at least.
DEATHS = [("sample", 1), ("sample", 7), ("sample", 30), ("save", 1), ("save", 2), ("save", 8), ("save", 22)]
DEATHS += [("rename", 1), ("rename", 15), ("rename", 16), ("rename", 17), ("rename", 44)]


@pytest.mark.slow
@pytest.mark.parametrize("death", DEATHS, ids=lambda death: f"{death[0]} {death[1]}")
def test_killed_once(undisturbed, tmp_path, death):
    assert run(tmp_path, death) == -signal.SIGKILL
    assert not (tmp_path / "model.safetensors").exists()
    assert run(tmp_path) == 0
    assert same(left_by(tmp_path), undisturbed)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.slow
def test_killed_again_and_again_at_any_time(undisturbed, tmp_path):
    kills = 0
    for pause in (0.3, 0.5, 0.1, 0.4, 0.6):
        process = start(tmp_path)
        while not (tmp_path / "checkpoint.pt").exists() and process.is_alive():
            time.sleep(0.01)
        time.sleep(pause)
        kills += process.is_alive()
        process.kill()
        process.join()
    assert kills
    assert run(tmp_path) == 0
    assert same(left_by(tmp_path), undisturbed)


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(undisturbed, tmp_path):
    assert run(tmp_path, ("save", 10)) == -signal.SIGKILL
    assert run(tmp_path, workers=2) == 0
    assert same(left_by(tmp_path), undisturbed)


@pytest.fixture
def task():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(12, 3, 4, 4, generator=generator)
    return TensorDataset(images, (images.mean(dim=1) > 0.5).long())


def network():
    torch.manual_seed(0)
    return nn.Conv2d(3, 2, 1)


def test_more_epochs_go_on_after_the_end(task, tmp_path):
    through, first, second = network(), network(), network()
    training.fit(through, task, epochs=5, progress=False)
    training.fit(first, task, epochs=2, folder=tmp_path, progress=False)
    history = training.fit(second, task, epochs=5, folder=tmp_path, progress=False)
    assert [epoch.number for epoch in history.epochs] == [1, 2, 3, 4, 5]
    assert torch.equal(second.weight, through.weight)


def test_a_run_that_is_over_gives_its_weights_and_history_again(task, tmp_path):
    first, second = network(), nn.Conv2d(3, 2, 1)
    history = training.fit(first, task, task, epochs=2, folder=tmp_path, ema=0.5, progress=False)
    again = training.fit(second, task, task, epochs=2, folder=tmp_path, ema=0.5, progress=False)
    assert torch.equal(first.weight, second.weight)
    assert again == history


def test_another_run_in_the_folder_is_refused_and_left_alone(task, tmp_path):
    training.fit(network(), task, epochs=1, folder=tmp_path, progress=False)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(ValueError, match=r"holds another run: learning_rate is 0.5 and was 0.001.*folder of its own"):
        training.fit(network(), task, epochs=1, learning_rate=0.5, folder=tmp_path, progress=False)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("ruin", [b"", b"not a checkpoint"])
def test_a_damaged_checkpoint_is_named(task, tmp_path, ruin):
    training.fit(network(), task, epochs=1, folder=tmp_path, progress=False)
    (tmp_path / "checkpoint.pt").write_bytes(ruin)
    with pytest.raises(training.DamagedCheckpointError, match=r"checkpoint.pt is damaged .*Delete"):
        training.fit(network(), task, epochs=1, folder=tmp_path, progress=False)


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "owned",)

    torch.save({"model": Evil()}, tmp_path / "checkpoint.pt")
    with pytest.raises(training.DamagedCheckpointError):
        load_state(tmp_path / "checkpoint.pt")
    assert not (tmp_path / "owned").exists()


def test_weights_there_and_back(tmp_path):
    model, other = network(), nn.Conv2d(3, 2, 1)
    training.save_weights(tmp_path / "weights.safetensors", model.to(memory_format=torch.channels_last))
    assert torch.equal(training.load_weights(other, tmp_path / "weights.safetensors").weight, model.weight)
    (tmp_path / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(training.DamagedCheckpointError, match=r"weights.safetensors is damaged"):
        training.load_weights(other, tmp_path / "weights.safetensors")


def test_the_best_epoch_is_what_is_kept(task, tmp_path):
    model = network()
    history = training.fit(model, task, task, epochs=6, learning_rate=0.3, folder=tmp_path, patience=6, progress=False)
    kept = training.load_weights(network(), tmp_path / "weights.safetensors")
    assert training.evaluate(kept, task).mean_iou == pytest.approx(history.best.mean_iou)
    assert torch.equal(model.weight, kept.weight)
