"""A training run that is under way: what it consists of, its steps, and how it is kept and taken up again."""

import json
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.utils.data import Dataset

from coursekit.training.averaging import Average
from coursekit.training.checkpoints import load_state, load_weights, save_state, save_weights, whole
from coursekit.training.devices import free_memory, out_of_memory
from coursekit.training.history import Epoch, History
from coursekit.training.loading import Batch, Order, in_turn, loader
from coursekit.training.progress import Progress
from coursekit.training.randomness import start_from, undisturbed
from coursekit.training.settings import Settings
from coursekit.training.tasks import Task

CHECKPOINT, WEIGHTS, HISTORY = "checkpoint.pt", "weights.safetensors", "history.json"


@dataclass
class Position:
    """Where a run stands: `batch` batches of epoch `epoch` are done, and `pictures` pictures have lost `loss`."""

    epoch: int = 1
    batch: int = 0
    pictures: int = 0
    loss: float = 0.0
    seconds: float = 0.0


class Run:
    """One training run. `fit` puts it together and calls `train`."""

    def __init__(
        self,
        model: nn.Module,
        train: Dataset[Any],
        validation: Dataset[Any] | None,
        task: Task,
        settings: Settings,
        accelerator: Accelerator,
        folder: Path | None,
        watchers: list[Progress],
    ) -> None:
        self.plain, self.validation, self.task, self.settings = model, validation, task, settings
        self.accelerator, self.folder, self.watchers = accelerator, folder, watchers
        model.to(accelerator.device).to(memory_format=settings.memory_format)
        optimizer = settings.optimizer(model.parameters(), lr=settings.learning_rate)
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.average = None if settings.ema is None else Average(model, settings.ema)
        self.attributes = set(vars(model))
        self.model = accelerator.prepare(model)
        # accelerate's optimizer is for float16, whose gradients are scaled; each step costs it a look at the disk.
        self.optimizer = accelerator.prepare(optimizer) if accelerator.scaler else optimizer
        if settings.compile:
            self.model = torch.compile(self.model)
        self.share = {"rank": accelerator.process_index, "processes": accelerator.num_processes}
        self.order = Order(len(train), settings.batch_size, settings.seed, **self.share)  # type: ignore[arg-type]
        self.loader = loader(train, self.order, task.collate, settings.workers, settings.seed)
        self.accumulate = settings.accumulate
        self.history, self.at = History(), Position()
        self.best: dict[str, Tensor] | None = None
        self.saved = time.monotonic()

    @property
    def step(self) -> int:
        """How many steps of the optimizer are done."""
        return (self.at.epoch - 1) * self.order.count + self.at.batch

    @property
    def over(self) -> bool:
        patience, epochs = self.settings.patience, self.history.epochs
        tired = patience is not None and bool(epochs) and epochs[-1].number - self.history.best.number >= patience
        return self.at.epoch > self.settings.epochs or tired

    def train(self) -> History:
        """All epochs that are left; the model has its final weights afterwards."""
        try:
            if not self.resume():
                self.save()
            while not self.over:
                self.epoch()
            self.finish()
        finally:
            for watcher in self.watchers:
                watcher.close(self.history)
            for name in set(vars(self.plain)) - self.attributes:  # accelerate hangs mixed precision on the instance
                delattr(self.plain, name)
        return self.history

    # An epoch and a step

    def epoch(self) -> None:
        """What is left of an epoch, its scores, and the files."""
        started, before = time.perf_counter(), self.at.seconds
        total = self.settings.epochs * self.order.count
        self.model.train()
        self.order.epoch, self.order.first = self.at.epoch, self.at.batch
        sizes = [len(batch) for batch in self.order.batches()]
        for batch in self.loader:
            size = sizes[self.at.batch]
            loss = self.take_step(batch, size)
            self.at.batch += 1
            self.at.pictures += size
            self.at.loss += loss * size
            self.at.seconds = before + time.perf_counter() - started
            for watcher in self.watchers:
                watcher.batch(self.step, total, loss)
            if time.monotonic() - self.saved >= self.settings.save_seconds:
                self.save()
        scores = self.validate()
        seconds = before + time.perf_counter() - started
        self.history.epochs.append(Epoch(self.at.epoch, self.at.loss / self.at.pictures, seconds, scores))
        self.keep_best()
        self.at = Position(self.at.epoch + 1)
        self.save()
        for watcher in self.watchers:
            watcher.epoch(self.history)

    def take_step(self, batch: Batch, size: int) -> float:
        """One step with `size` pictures in all processes, in smaller parts where memory ends; its loss."""
        while True:
            try:
                return self.try_step(batch, size)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                if self.accumulate >= len(batch) or self.accelerator.num_processes > 1:
                    raise type(error)(
                        f"the memory of the device is too small for {-(-len(batch) // self.accumulate)} pictures at a "
                        "time: take smaller pictures, a narrower network or a larger `accumulate`"
                    ) from error
            # Outside of `except`, whose traceback holds the tensors of the step that failed.
            self.accumulate = min(2 * self.accumulate, len(batch))
            free_memory()

    def try_step(self, batch: Batch, size: int) -> float:
        self.optimizer.zero_grad()
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = rate * self.settings.factor(self.step / (self.settings.epochs * self.order.count))
        mine = len(range(self.share["rank"], size, self.share["processes"]))
        parts = batch.parts(self.accumulate)
        loss = torch.zeros((), device=self.accelerator.device)
        with undisturbed():
            seed = start_from(self.settings.seed, self.step, self.share["rank"])
            if self.accelerator.device.type != "cpu":
                torch.manual_seed(seed)
            for part in parts:
                last = part is parts[-1]
                with nullcontext() if last else self.accelerator.no_sync(self.model):
                    value = self.loss_of(part)
                    weight = len(part) / size if mine else 0.0
                    # The processes' gradients are averaged, not added.
                    self.accelerator.backward(value * (weight * self.accelerator.num_processes))
                loss += value.detach() * weight
        if self.settings.clip is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.plain, self.step)
        return float(self.accelerator.reduce(loss, "sum"))

    def loss_of(self, part: Batch) -> Tensor:
        with self.accelerator.autocast():
            value = self.task.loss(self.model, part.to(self.accelerator.device, self.settings.memory_format))
        if not math.isfinite(value.item()):
            raise FloatingPointError(
                f"the loss is {value.item()} in batch {self.at.batch} of epoch {self.at.epoch}, samples "
                f"{', '.join(map(str, part.indices))} of the set: look at these, or try a smaller learning rate"
            )
        return value

    # Scores and the best weights

    def validate(self) -> dict[str, float]:
        if self.validation is None:
            return {}
        batch_size = max(1, self.settings.batch_size // self.accumulate)
        with self.average.used_by(self.plain) if self.average else nullcontext():
            metric = score(
                *(self.model, self.validation, self.task, batch_size, self.settings.workers),
                *(self.accelerator.device, self.share, self.settings.memory_format),
            )
        metrics = [each for each in gather_object([metric]) if each is not None]
        for other in metrics[1:]:
            metrics[0].merge(other)
        return self.task.scores(metrics[0].compute())

    def weights(self) -> dict[str, Tensor]:
        """The weights that count: averaged ones where they are averaged."""
        return self.average.weights if self.average else self.plain.state_dict()

    def keep_best(self) -> None:
        if self.history.best is not self.history.epochs[-1]:
            return
        if self.settings.patience is not None:
            self.best = {name: value.detach().clone() for name, value in self.weights().items()}
        if self.folder and self.accelerator.is_main_process:
            save_weights(self.folder / WEIGHTS, self.weights())

    def finish(self) -> None:
        """Leave the model as it is to be used."""
        if self.best is not None:
            self.plain.load_state_dict(self.best)
        elif self.average is not None:
            self.plain.load_state_dict(self.average.weights)
        self.plain.eval()

    # Files

    def save(self) -> None:
        """Keep everything that the rest of the run depends on."""
        self.saved = time.monotonic()
        if self.folder is None or not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state = {
            "settings": self.decisive(),
            "position": vars(self.at),
            "history": self.history.to_dict(),
            "model": self.plain.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.weights if self.average else None,
            "scaler": scaler.state_dict() if scaler else None,
            "accumulate": self.accumulate,
        }
        save_state(self.folder / CHECKPOINT, state)
        with whole(self.folder / HISTORY) as file:
            file.write(json.dumps(self.history.to_dict(), indent=1).encode())

    def decisive(self) -> dict[str, Any]:
        """What makes it the same run."""
        shapes = [list(value.shape) for value in self.plain.state_dict().values()]
        precision = self.accelerator.mixed_precision
        return self.settings.decisive() | {"samples": self.order.length, "precision": precision, "shapes": shapes}

    def resume(self) -> bool:
        """Go on where the folder's run stands, if there is one.

        Raises ValueError when it was another run.
        """
        if self.folder is None:
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / CHECKPOINT
        if not path.exists():
            return False
        state = load_state(path)
        before = state["settings"]
        others = [
            f"{name} is {now!r} and was {before.get(name)!r}"
            for name, now in self.decisive().items()
            if before.get(name) != now
        ]
        if others:
            raise ValueError(
                f"{self.folder} holds another run: {'; '.join(others)}. Give a folder of its own, or delete this one"
            )
        self.plain.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            self.average.load(state["average"])
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.accumulate = max(self.accumulate, state["accumulate"])
        self.history, self.at = History.from_dict(state["history"]), Position(**state["position"])
        if self.settings.patience is not None and self.history.epochs:
            self.best = dict(load_weights(self.plain, self.folder / WEIGHTS).state_dict())
            self.best = {name: value.clone() for name, value in self.best.items()}
            self.plain.load_state_dict(state["model"])
        return True


@torch.no_grad()
def score(
    model: nn.Module,
    data: Dataset[Any],
    task: Task,
    batch_size: int,
    workers: int,
    device: torch.device,
    share: dict[str, int] | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Any:
    """The metric of a whole set, or of this process's share of it (None where that is empty)."""
    model.eval()
    order = in_turn(len(data), batch_size, **(share or {}))  # type: ignore[arg-type]
    metric = None
    for batch in loader(data, order, task.collate, workers):
        metric = task.score(model, batch.to(device, memory_format), metric)
    return metric
