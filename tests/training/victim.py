"""A small run with everything in it that could go on differently: test_resume.py kills it and starts it again.

Run by path in a process of its own, with the globals `folder`, `death` (a kind and a count, or None) and `workers`.
"""

import io
import multiprocessing
import os
import pathlib
import random
import signal

import numpy as np
import torch
from torch import nn

from coursekit import training

folder: str
death: tuple[str, int] | None
workers: int

torch.set_num_threads(1)
multiprocessing.set_start_method("fork", force=True)  # of the workers: this file is no module that they could import
left = {death[0]: death[1]} if death else {}


def dies(kind: str) -> bool:
    """Whether this is the moment: the n-th time that something of this kind happens."""
    left[kind] = left.get(kind, 0) - 1
    return left[kind] == 0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Noisy(torch.utils.data.Dataset):
    """Bright pixels are class 1; each picture is augmented with torch's, numpy's and Python's generators."""

    def __init__(self) -> None:
        self.images = torch.rand(22, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if workers == 0 and dies("sample"):
            die()
        image = self.images[index] + 0.1 * torch.randn(3, 8, 8)
        image *= float(np.random.uniform(0.9, 1.1))  # noqa: NPY002
        image = image.flip(-1) if random.random() < 0.5 else image
        return image, (image.mean(dim=0) > 0.5).long()


real_save, real_replace = torch.save, pathlib.Path.replace


def save_until_death(state: object, file: io.IOBase) -> None:
    if not dies("save"):
        return real_save(state, file)
    whole = io.BytesIO()
    real_save(state, whole)
    file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
    file.flush()
    return die()


def replace_until_death(path: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    if dies("rename"):
        die()
    return real_replace(path, target)


torch.save, pathlib.Path.replace = save_until_death, replace_until_death

# Weights that are drawn anew in every process: what counts are those of the first one, which the checkpoint keeps.
torch.manual_seed(0 if not (pathlib.Path(folder) / "checkpoint.pt").exists() else os.getpid())
model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.Conv2d(8, 2, 1))
training.fit(
    *(model, Noisy(), Noisy()),
    epochs=3,
    batch_size=4,
    learning_rate=0.01,
    schedule="cosine",
    clip=1.0,
    ema=0.9,
    patience=5,
    accumulate=2,
    folder=folder,
    save_seconds=0.0,
    workers=workers,
    progress=False,
)
training.save_weights(pathlib.Path(folder) / "model.safetensors", model)
