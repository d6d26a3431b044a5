"""What a student's machine must be able to do, on any platform and with any versions that are allowed.

It needs nothing but the package and pytest, so that it can be run where the rest of the tests cannot.
"""

import json
import subprocess
import sys
from importlib import import_module

import pytest

ROOMS = ("ops", "losses", "metrics", "data", "models", "training", "figures", "exercises")
ANSWERS = """
def nearest_unpool(x, scale):
    return x.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)


def bed_of_nails(x, scale):
    return nearest_unpool(x, scale)
"""


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_opens(room):
    module = import_module(f"coursekit.{room}")
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.slow
def test_a_file_of_answers_is_judged(tmp_path):
    file = tmp_path / "answers.py"
    file.write_text(ANSWERS, encoding="utf-8")
    command = [sys.executable, "-m", "coursekit", "check", "01_unpooling", str(file), "--json"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, encoding="utf-8")
    assert ran.returncode == 1, ran.stderr
    report = json.loads(ran.stdout)["exercises"]
    assert report["nearest_unpool"]["score"] == report["nearest_unpool"]["max_score"] > 0
    assert report["bed_of_nails"]["score"] < report["bed_of_nails"]["max_score"]
    assert report["max_unpool"]["score"] == 0


def test_a_scene_can_be_labelled_and_scored():
    import torch

    from coursekit import data, losses, metrics, models

    image, mask = data.StreetScenes(1, (32, 48))[0]
    network = models.create(
        "unet", in_channels=3, num_classes=len(data.StreetScenes.classes), depth=2, width=4, padding="same"
    )
    logits = network(image[None])
    target = torch.as_tensor(mask)[None]
    losses.dice_ce_loss(logits, target).backward()
    matrix = metrics.ConfusionMatrix(logits.shape[1])
    matrix.update(logits.argmax(1), target)
    assert 0 <= matrix.compute().pixel_accuracy <= 1
