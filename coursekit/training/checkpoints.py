"""Files of a run: written beside and renamed, so that there is always a whole one; nothing in them can run code."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn


class DamagedCheckpointError(OSError):
    """A file of a run cannot be read whole."""


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to: after a crash at any moment there is the old one under this name, or the new one."""
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Tensors, numbers, strings and containers of these, as `load_state` gives them back."""
    with whole(path) as file:
        torch.save(state, file)


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` kept, on the CPU. Raises `DamagedCheckpointError`."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # by how it is damaged RuntimeError, UnpicklingError, EOFError, …
        raise DamagedCheckpointError(
            f"{path} is damaged or no checkpoint of `fit`. Delete {path.parent} to train again from the beginning"
        ) from error
    return state


def save_weights(path: str | Path, weights: nn.Module | dict[str, Tensor]) -> None:
    """A model's weights as safetensors; `load_weights` puts them into a model of the same shape."""
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    with whole(Path(path)) as file:
        file.write(save({name: value.detach().cpu().contiguous() for name, value in state.items()}))


def load_weights(model: nn.Module, path: str | Path) -> nn.Module:
    """The model with the weights of a safetensors file, such as a run's `weights.safetensors`.

    Raises `DamagedCheckpointError` for a damaged file, and torch's RuntimeError, which names the layers, when the
    weights are another network's.
    """
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise DamagedCheckpointError(f"{path} is damaged or no safetensors file ({error})") from error
    model.load_state_dict(weights)
    return model
