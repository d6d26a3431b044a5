"""The training loop of the course."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from coursekit.losses import cross_entropy
from coursekit.metrics import ConfusionMatrix
from coursekit.training.history import Epoch, History

Loss = Callable[[Float[Tensor, "n c h w"], Int[Tensor, "n h w"]], Tensor]


def fit(
    model: nn.Module,
    train: Dataset[Any],
    validation: Dataset[Any] | None = None,
    *,
    epochs: int = 10,
    loss: Loss = cross_entropy,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
    precision: str = "no",
    seed: int = 0,
    workers: int = 0,
    progress: bool = True,
) -> History:
    """Train a semantic segmentation network with Adam, on the device that accelerate finds (CUDA, MPS or CPU).

    Args:
        model: (N, C, H, W) images → (N, K, H, W) logits; it is trained in place and left on the device.
        train, validation: give (image, label map) pairs of one size; validation is scored after every epoch.
        loss: takes logits and labels.
        precision: "no", "bf16" or "fp16", accelerate's mixed precision.
        seed: of the order of the samples.
        workers: processes that load samples; 0 loads in this one.
        progress: show a bar.

    Returns:
        The history; shown in a notebook, it plots itself.

    Raises:
        ValueError: nothing to train on, or no epoch asked for.
        FloatingPointError: the loss is no longer a finite number; the message names the epoch and the batch.
    """
    if epochs < 1 or len(train) < 1:  # type: ignore[arg-type]
        raise ValueError(f"there is nothing to do: {epochs} epochs of {len(train)} samples")  # type: ignore[arg-type]
    AcceleratorState._reset_state()  # else a second run in one process keeps the first one's precision
    accelerator = Accelerator(mixed_precision=precision)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    order = torch.Generator().manual_seed(seed)
    loader = DataLoader(train, batch_size, shuffle=True, generator=order, num_workers=workers)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    history = History()
    with tqdm(total=epochs * len(loader), disable=not progress, leave=False, unit="batch") as bar:
        for number in range(1, epochs + 1):
            started = time.perf_counter()
            mean_loss = _train_epoch(model, loader, optimizer, loss, accelerator, number, bar)
            scores = {}
            if validation is not None:
                found = evaluate(model, validation, batch_size=batch_size, workers=workers)
                scores = {"mean_iou": found.mean_iou, "pixel_accuracy": found.pixel_accuracy}
            epoch = Epoch(number, mean_loss, time.perf_counter() - started, **scores)
            history.epochs.append(epoch)
            bar.set_description_str(str(epoch))
    return history


def _train_epoch(
    model: nn.Module,
    loader: Any,
    optimizer: Any,
    loss: Loss,
    accelerator: Accelerator,
    number: int,
    bar: "tqdm[Any]",
) -> float:
    """One pass; the mean loss of its batches."""
    model.train()
    total = 0.0
    for batch, (images, target) in enumerate(loader):
        with accelerator.autocast():
            value = loss(model(images), target)
        current = value.item()
        if not math.isfinite(current):
            raise FloatingPointError(
                f"the loss is {current} in batch {batch} of epoch {number}: try a smaller learning rate"
            )
        optimizer.zero_grad()
        accelerator.backward(value)
        optimizer.step()
        total += current
        bar.update()
    return total / len(loader)


@torch.no_grad()
def evaluate(model: nn.Module, data: Dataset[Any], *, batch_size: int = 8, workers: int = 0) -> Any:
    """The scores of `metrics.ConfusionMatrix` over a whole set, counted before anything is divided."""
    device = next(model.parameters()).device
    model.eval()
    matrix = None
    for images, target in DataLoader(data, batch_size, num_workers=workers):
        logits = model(images.to(device))
        matrix = matrix or ConfusionMatrix(logits.shape[1])
        matrix.update(logits, target.to(device))
    if matrix is None:
        raise ValueError("there is nothing to score: the set is empty")
    return matrix.compute()
