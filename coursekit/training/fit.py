"""Training and scoring in one call each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Adam, Optimizer
from torch.utils.data import Dataset

from coursekit.losses import cross_entropy
from coursekit.training.devices import accelerated
from coursekit.training.history import History
from coursekit.training.progress import watchers
from coursekit.training.run import Run, score
from coursekit.training.schedules import Schedule
from coursekit.training.settings import Settings
from coursekit.training.tasks import Loss, Task, task_of


def fit(
    model: nn.Module,
    train: Dataset[Any],
    validation: Dataset[Any] | None = None,
    *,
    epochs: int = 10,
    loss: Loss = cross_entropy,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
    schedule: str | Schedule = "constant",
    optimizer: Callable[..., Optimizer] = Adam,
    clip: float | None = None,
    ema: float | None = None,
    patience: int | None = None,
    folder: str | Path | None = None,
    save_seconds: float = 60.0,
    tensorboard: bool = False,
    precision: str = "auto",
    accumulate: int = 1,
    channels_last: bool = False,
    compile: bool = False,
    task: Task | None = None,
    seed: int = 0,
    workers: int = 0,
    progress: bool = True,
) -> History:
    """Train a network in place, on the device that is there: CUDA, MPS or CPU, in one process or several.

    It trains what takes (N, C, H, W) images and gives (N, K, H, W) logits, or in training (logits, auxiliary
    logits), whose loss counts 0.4 more; and detectors that give a dict of losses in training (`tasks.Instances`).

    A run with a `folder` can be killed at any moment: called again with the same arguments it goes on and ends, on
    a CPU, with the same weights to the last bit. Called with more `epochs` it goes on after its end. There lie
    `checkpoint.pt`, with which it goes on, `weights.safetensors`, the weights of the best epoch so far by
    the first score of `validation` (without it the last), for `load_weights`, and `history.json`.

    Started by `accelerate launch` or `notebook_launcher`, the processes share each batch between them.

    Args:
        model: trained in place and left on the device, in evaluation mode.
        train, validation: give (image, target) pairs; validation is scored after every epoch. A batch's images have
            one size. A target is a label map (H, W), a tuple that begins with one, or a dict of instances. Images
            are floats in [0, 1] or bytes, which become that.
        loss: takes `(logits, target)`, or `(logits, *target)` for a tuple. A detector brings its own.
        batch_size: pictures a step, of all processes together.
        learning_rate: the highest; `schedule` says how it goes on from there: "constant", "cosine", "poly", or a
            function from the share of the run that is done to a factor.
        optimizer: makes one: `optimizer(parameters, lr=learning_rate)`, such as
            `functools.partial(torch.optim.SGD, momentum=0.9)`.
        clip: the greatest norm of the gradient.
        ema: decay of an exponential moving average of the weights, such as 0.999; these are then scored and kept.
        patience: stop after so many epochs without a better score, and leave the model with its best weights.
        folder: where the run is kept; None keeps nothing.
        save_seconds: the checkpoint is renewed this often, and after every epoch.
        tensorboard: also write a log into `folder`/tensorboard.
        precision: "no" (float32), "bf16" or "fp16"; "auto" is bf16 on a GPU that has it.
        accumulate: compute a batch in so many parts, one after another, to save memory. When memory ends it is
            doubled, and the step taken again: the batch stays what it is for the optimizer.
        channels_last, compile: torch's memory format and compiler, which can be faster.
        task: how samples, losses and scores go together, where the kinds above are not enough.
        seed: of the order, of random transforms, of dropout.
        workers: processes that load samples; 0 loads in this one. Their number does not change the result.
        progress: show a bar and a line an epoch in a terminal, a live plot in a notebook.

    Returns:
        The history; shown in a notebook, it plots itself.

    Raises:
        ValueError: nothing to train on, an argument out of its range, or a folder that holds another run.
        FloatingPointError: the loss is no longer a finite number; the message names epoch, batch and samples.
        torch.OutOfMemoryError: not even one picture at a time fits.
    """
    settings = Settings(
        epochs=epochs,
        loss=loss,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        optimizer=optimizer,
        clip=clip,
        ema=ema,
        patience=patience,
        save_seconds=save_seconds,
        accumulate=accumulate,
        channels_last=channels_last,
        compile=compile,
        seed=seed,
        workers=workers,
    )
    if len(train) < 1:  # type: ignore[arg-type]
        raise ValueError("there is nothing to train on: the set is empty")
    if patience is not None and validation is None:
        raise ValueError("patience stops by a score, so give a validation set too")
    if tensorboard and folder is None:
        raise ValueError("tensorboard=True writes its log into the run's folder, so give a folder too")
    folder = Path(folder).expanduser() if folder else None
    task = task or task_of(train[0], model, loss)
    with accelerated(precision) as accelerator:
        main = accelerator.is_main_process
        log = folder / "tensorboard" if folder and tensorboard and main else None
        watching = watchers(progress and main, log)
        return Run(model, train, validation, task, settings, accelerator, folder, watching).train()


def evaluate(
    model: nn.Module, data: Dataset[Any], *, batch_size: int = 8, workers: int = 0, task: Task | None = None
) -> Any:
    """The scores of a whole set, counted before anything is divided; the model is left in evaluation mode.

    `metrics.ConfusionMatrix`'s for label maps, `metrics.AveragePrecision`'s for instances. Raises ValueError for an
    empty set.
    """
    if len(data) < 1:  # type: ignore[arg-type]
        raise ValueError("there is nothing to score: the set is empty")
    device = next(model.parameters()).device
    task = task or task_of(data[0], model, cross_entropy)
    return score(model, data, task, batch_size, workers, device).compute()
