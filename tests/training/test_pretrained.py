"""The networks that ship: small, whole, described, and as good as their cards say."""

import hashlib
import json
from importlib import import_module
from importlib.resources import files

import pytest
import torch
from torch import nn

from coursekit import training
from coursekit.results import EXPERIMENTS
from coursekit.results.experiments import Row
from coursekit.results.records import path_of, read
from coursekit.results.tasks import Semantic
from coursekit.training import pretrained as pretrained_function
from coursekit.training.pretrained import FOLDER, build, in_half_precision, save

CARDS = training.cards()
MEGABYTE = 10**6
WANTED = {
    *("unet-streets", "segnet-streets", "deconvnet-streets", "fcn32s-streets", "fcn16s-streets", "fcn8s-streets"),
    *("pspnet-streets", "patches-streets", "mask-rcnn-streets", "yolact-streets"),
    *("unet-nuclei", "mask-rcnn-nuclei", "yolact-nuclei"),
}


def test_what_the_lectures_load_is_there():
    assert CARDS.keys() >= WANTED


def test_the_package_carries_every_file():
    """What hatchling puts into a wheel is what lies in the package and git does not ignore."""
    folder = files("coursekit.training") / "pretrained"
    names = {file.name for file in folder.iterdir()}
    assert names == {f"{name}.{suffix}" for name in CARDS for suffix in ("json", "safetensors")}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_tells_where_its_network_comes_from(name):
    card = CARDS[name]
    weights = (FOLDER / f"{name}.safetensors").read_bytes()
    assert (len(weights), hashlib.sha256(weights).hexdigest()) == (card.bytes, card.sha256)
    assert card.bytes <= 5 * MEGABYTE
    assert card.licence.startswith("MIT")
    experiment = EXPERIMENTS[card.command.split()[3]]
    record = read(path_of(experiment, experiment.row(card.command.split()[5]), card.seed))
    assert (card.scores, card.command, card.parameters) == (
        record["scores"],
        record["command"],
        record["parameters"],
    ), "the card and the recorded run are of one training"


@pytest.mark.parametrize("name", CARDS)
def test_a_network_loads_ready_to_be_used(name):
    model = training.pretrained(name)
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert sum(parameter.numel() for parameter in model.parameters()) == CARDS[name].parameters


@pytest.mark.parametrize("name", ["unet-streets", "segnet-streets"])
def test_it_scores_what_its_card_says(name):
    card = CARDS[name]
    task = Semantic({**card.data, "train": 1}, Row("row", "row", card.model))
    again = task.score(training.pretrained(name).to(memory_format=torch.channels_last))
    assert again["mean_iou"] == pytest.approx(card.scores["mean_iou"], abs=2e-3)


def test_an_unknown_name_is_told_which_exist():
    with pytest.raises(KeyError, match=r"'vnet'.*unet-streets"):
        training.pretrained("vnet")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("coursekit.training.pretrained"), "FOLDER", tmp_path)
    return tmp_path


RECORD = {
    "settings": {
        "model": "unet",
        "options": {"num_classes": 2, "base_channels": 2, "depth": 1},
        "data": {"set": "streets", "size": [32, 32]},
        "task": "semantic",
        "epochs": 1,
    },
    **{"command": "coursekit …", "seed": 0, "scores": {}, "parameters": 1, "versions": {}},
}


def test_saved_and_loaded_is_the_same_in_half_precision(elsewhere):
    model = build("unet", RECORD["settings"]["options"])
    save("small", model, RECORD)
    loaded, rounded = pretrained_function("small"), in_half_precision(model)
    for key, value in rounded.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)
    assert sorted(path.name for path in elsewhere.iterdir()) == ["small.json", "small.safetensors"]


def test_weights_of_another_training_are_refused(elsewhere):
    save("small", build("unet", RECORD["settings"]["options"]), RECORD)
    card = json.loads((elsewhere / "small.json").read_text())
    (elsewhere / "small.json").write_text(json.dumps(card | {"sha256": "0" * 64}))
    with pytest.raises(ValueError, match="not the file its card describes"):
        pretrained_function("small")


def test_group_norm_is_plain_data():
    model = build("mask_rcnn", {"num_classes": 2, "width": 4, "group_norm": 2})
    assert any(isinstance(module, nn.GroupNorm) and module.num_groups == 2 for module in model.modules())
