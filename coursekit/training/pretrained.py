"""Trained networks that ship with the package, each with a card that says where it comes from.

The weights lie beside this file as `pretrained/NAME.safetensors`, floats in half precision, and the card as
`pretrained/NAME.json`. `coursekit results run` makes both.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from safetensors.torch import save as serialised
from torch import Tensor, nn

from coursekit import models

FOLDER = Path(__file__).parent / "pretrained"
LICENCES = {
    "streets": "MIT; StreetScenes are made by this package",
    "nuclei": "MIT; trained on BBBC038 (Data Science Bowl 2018), CC0",
}


@dataclass(frozen=True)
class Card:
    """Where a trained network comes from and how good it is.

    `model` and `options` rebuild it (`build`), `size` is the height and width of the pictures it was trained on.
    `scores` are those of the weights as they are stored, on the test pictures of `data`; `bytes` and `sha256` are
    of the weights' file.
    """

    name: str
    model: str
    options: dict[str, Any]
    size: list[int]
    data: dict[str, Any]
    task: str
    command: str
    seed: int
    epochs: int
    scores: dict[str, Any]
    parameters: int
    bytes: int
    sha256: str
    licence: str
    versions: dict[str, str]


def build(model: str, options: Mapping[str, Any]) -> nn.Module:
    """`models.create` for options that are plain data: `group_norm` is the number of groups of a `norm`."""
    options = dict(options)
    if "group_norm" in options:
        options["norm"] = partial(nn.GroupNorm, options.pop("group_norm"))
    return models.create(model, **options)


def cards() -> dict[str, Card]:
    """The card of every network that ships, by name."""
    found = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json")))
    return {card["name"]: Card(**card) for card in found}


def pretrained(name: str) -> nn.Module:
    """The trained network of that name, in single precision, on the CPU, in evaluation mode.

    Raises KeyError for an unknown name and ValueError where the weights are not those that the card describes.
    """
    known = cards()
    if name not in known:
        raise KeyError(f"no network called {name!r} ships with the package; there are {', '.join(known)}")
    card = known[name]
    weights = (FOLDER / f"{name}.safetensors").read_bytes()
    if hashlib.sha256(weights).hexdigest() != card.sha256:
        raise ValueError(f"{FOLDER / name}.safetensors is not the file its card describes: install the package again")
    model = build(card.model, card.options)
    model.load_state_dict({key: _single(value) for key, value in load(weights).items()})
    return model.eval()


def save(name: str, model: nn.Module, record: Mapping[str, Any]) -> None:
    """Store the network and its card; `record` is that of its run (`coursekit.results.run`)."""
    settings = record["settings"]
    FOLDER.mkdir(exist_ok=True)
    weights, beside = FOLDER / f"{name}.safetensors", FOLDER / f"{name}.part"
    content = serialised({key: _half(value) for key, value in model.state_dict().items()})
    card = Card(
        name=name,
        **{key: settings[key] for key in ("model", "options", "data", "task", "epochs")},
        **{key: record[key] for key in ("command", "seed", "scores", "parameters", "versions")},
        size=settings["data"]["size"],
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence=LICENCES[settings["data"]["set"]],
    )
    beside.write_bytes(content)
    beside.replace(weights)
    beside.write_text(json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(FOLDER / f"{name}.json")


@torch.no_grad()
def in_half_precision(model: nn.Module) -> nn.Module:
    """The model with every weight rounded to what is stored, itself in single precision as before."""
    model.load_state_dict({key: _single(_half(value)) for key, value in model.state_dict().items()})
    return model


def _half(value: Tensor) -> Tensor:
    return value.half().contiguous() if value.is_floating_point() else value


def _single(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value
