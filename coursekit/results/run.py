"""One run: a row of an experiment, a seed, and the file that records how it went."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from coursekit.models import FCN8s, FCN16s
from coursekit.results.experiments import EXPERIMENTS, Experiment, Row
from coursekit.results.records import RUNS, path_of, write
from coursekit.results.tasks import Task, make_task
from coursekit.training.pretrained import build, in_half_precision, save

LARGEST_GRADIENT = 5.0
WARM_UP = 0.2
"""The share of the steps in which the learning rate rises; it falls to nothing in the others (one cycle)."""


GROW: dict[str, Callable[[Any], nn.Module]] = {"fcn16s": FCN16s.from_fcn32s, "fcn8s": FCN8s.from_fcn16s}
"""How a network goes on from a trained coarser one."""


@dataclass(frozen=True)
class Training:
    """What one training did: the mean loss of each epoch, and the processor's seconds from the very start."""

    losses: list[float]
    cpu_seconds: float


def run_experiment(
    name: str, row: str | None = None, seed: int | None = None, again: bool = False, folder: Path = RUNS
) -> None:
    """Every run of an experiment that has no record yet, seed by seed; with `again` those that have one too.

    Raises KeyError for an unknown experiment or row, ValueError for a seed that is not among the experiment's.
    """
    if name not in EXPERIMENTS:
        raise KeyError(f"no experiment is called {name!r}; there are {', '.join(EXPERIMENTS)}")
    experiment = EXPERIMENTS[name]
    if seed is not None and seed not in experiment.seeds:
        raise ValueError(f"{name} has the seeds {', '.join(map(str, experiment.seeds))}, not {seed}")
    rows = experiment.rows if row is None else (experiment.row(row),)
    for each_seed in experiment.seeds if seed is None else (seed,):
        for each in rows:
            if again or not path_of(experiment, each, each_seed, folder).is_file():
                record = run(experiment, each, each_seed, folder=folder)
                print(f"{each.title}, seed {each_seed}: {record['scores']}")


def run(
    experiment: Experiment,
    row: Row,
    seed: int,
    *,
    task: Task | None = None,
    folder: Path = RUNS,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train and score one row with one seed on the CPU; the record is written and returned.

    On one machine the same row and seed give the same scores to the last bit, on another nearly the same: torch
    promises no more. `task` spares loading the data again when several runs share it.
    """
    torch.set_num_threads(1)
    task = task or make_task(experiment, row)
    model, training = learn(experiment, row, seed, task, report)
    if experiment.checkpoints:
        model = in_half_precision(model)
    started = time.process_time()
    scores = task.score(model.eval())
    record = {
        "experiment": experiment.name,
        "row": row.name,
        "seed": seed,
        "command": f"coursekit results run {experiment.name} --row {row.name} --seed {seed}",
        "settings": experiment.settings(row),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "losses": training.losses,
        "cpu_seconds": {"training": training.cpu_seconds, "scoring": time.process_time() - started},
        "scores": scores,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("coursekit", "torch", "torchvision", "numpy")}
        | {"python": platform.python_version()},
        "machine": {"system": platform.platform(), "processor": processor(), "threads": torch.get_num_threads()},
    }
    if experiment.checkpoints and seed == experiment.seeds[0]:
        save(f"{row.name}-{experiment.checkpoints}", model, record)
    write(record, path_of(experiment, row, seed, folder))
    return record


def learn(
    experiment: Experiment, row: Row, seed: int, task: Task, report: Callable[[str], None]
) -> tuple[nn.Module, Training]:
    """The trained network of a row; one that goes on from another row's has that trained first, with the same seed."""
    if not row.start:
        torch.manual_seed(seed)
        model = build(row.model, row.options).to(memory_format=torch.channels_last)
        return model, train(model, task, experiment, row, seed, report)
    earlier, before = learn(experiment, experiment.row(row.start), seed, task, report)
    torch.manual_seed(seed)
    model = GROW[row.model](earlier).to(memory_format=torch.channels_last)
    training = train(model, task, experiment, row, seed, report)
    return model, replace(training, cpu_seconds=before.cpu_seconds + training.cpu_seconds)


def train(
    model: nn.Module, task: Task, experiment: Experiment, row: Row, seed: int, report: Callable[[str], None]
) -> Training:
    """Adam under one cycle of the learning rate, every picture once an epoch.

    `coursekit.training.fit` is not used on purpose: it may learn to do better, and a record must stay repeatable.
    """
    steps = -(-len(task) // experiment.batch_size)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, row.learning_rate, total_steps=experiment.epochs * steps, pct_start=WARM_UP
    )
    random = torch.Generator().manual_seed(seed)
    started = time.process_time()
    losses = []
    model.train()
    for epoch in range(experiment.epochs):
        total = 0.0
        for batch in torch.randperm(len(task), generator=random).split(experiment.batch_size):
            loss = task.loss(model, batch, random)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT, error_if_nonfinite=True)
            optimizer.step()
            schedule.step()
            total += loss.item()
        losses.append(total / steps)
        report(
            f"{experiment.name} {row.name} seed {seed}: epoch {epoch + 1} of {experiment.epochs}, "
            f"loss {losses[-1]:.4f}, {time.process_time() - started:.0f} s"
        )
    return Training(losses, time.process_time() - started)


def processor() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
