"""Pictures and label maps from files; a file that cannot be read whole is an error that names it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

__all__ = ["DamagedFileError", "read_image", "read_json", "read_labels", "read_rgb"]

LABEL_MODES = {"1", "L", "P", "I", "I;16", "I;16B", "I;16L"}


class DamagedFileError(OSError):
    """A picture or label map is truncated, is not a picture, or holds what its set does not allow."""


def read_image(path: str | Path) -> Float[tv_tensors.Image, "3 h w"]:
    """A picture as RGB, float32 in [0, 1]; grey ones have three equal channels.

    Raises `DamagedFileError` for a truncated or unreadable file and `FileNotFoundError` for a missing one.
    """
    return tv_tensors.Image(read_rgb(path).movedim(-1, 0).float().div_(255))


def read_rgb(path: str | Path) -> UInt8[Tensor, "h w 3"]:
    """A picture as uint8 RGB with the channels last, as colour-coded labels are written."""
    return torch.from_numpy(np.array(_decode(path).convert("RGB")))


def read_labels(path: str | Path) -> Int[Tensor, "h w"]:
    """A label map as int64: palette, grey or 16-bit PNG, the stored numbers unchanged.

    Raises `DamagedFileError` for a truncated, unreadable or colour file.
    """
    picture = _decode(path)
    if picture.mode not in LABEL_MODES:
        raise DamagedFileError(f"{path} is a {picture.mode} picture; a label map has one channel of whole numbers")
    return torch.from_numpy(np.array(picture).astype(np.int64))


def read_json(path: Path) -> Any:
    """The content of a JSON file; raises `DamagedFileError` when it is cut off or is not JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DamagedFileError(f"{path} is damaged or is not JSON ({error}). Get the set again.") from error


def _decode(path: str | Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise  # these name the file themselves, and it may be sound
    except Exception as error:
        # Pillow raises OSError, SyntaxError, ValueError, struct.error, …, by format and mostly without the name.
        raise DamagedFileError(f"{path} is damaged or is not a picture ({error}). Get the set again.") from error
