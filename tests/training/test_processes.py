"""Two processes on two CPUs, joined by gloo, come to what one comes to."""

import json
import sys

import pytest
import torch
from accelerate import debug_launcher
from torch import nn
from torch.utils.data import TensorDataset

from coursekit import training


def learn(folder):
    """A run in this process, or this process's part of one; 22 pictures in batches of 5, so that shares differ."""
    torch.manual_seed(0)
    images = torch.rand(22, 3, 8, 8)
    data = TensorDataset(images, (images.mean(dim=1) > 0.5).long())
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))
    options = {"epochs": 3, "batch_size": 5, "learning_rate": 0.05, "clip": 1.0, "ema": 0.9, "accumulate": 2}
    training.fit(model, data, data, folder=folder, **options)
    (folder / f"of {torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1}").touch()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="accelerate forks its CPU processes, which only Linux does well")
def test_two_processes_as_one(tmp_path, monkeypatch, capfd):
    one, two = tmp_path / "one", tmp_path / "two"
    learn(one)
    capfd.readouterr()
    debug_launcher(learn, (two,), num_processes=2)
    assert (two / "of 2").exists()
    assert capfd.readouterr().out.count("epoch 1, loss") == 1  # one of the two tells
    histories = [json.loads((folder / "history.json").read_text())["epochs"] for folder in (one, two)]
    for alone, together in zip(*histories, strict=True):
        for name in ("loss", "mean_iou", "pixel_accuracy"):
            assert together[name] == pytest.approx(alone[name], rel=1e-4)
    weights = [
        training.load_weights(network, folder / "weights.safetensors")
        for folder in (one, two)
        for network in [nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))]
    ]
    for a, b in zip(weights[0].parameters(), weights[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
