"""The files of recorded runs: runs/EXPERIMENT/ROW.SEED.json, one for each."""

import json
from pathlib import Path
from typing import Any

from coursekit.results.experiments import Experiment, Row

RUNS = Path(__file__).parent / "runs"


def path_of(experiment: Experiment, row: Row, seed: int, folder: Path = RUNS) -> Path:
    return folder / experiment.name / f"{row.name}.{seed}.json"


def write(record: dict[str, Any], path: Path) -> None:
    """Beside, and renamed: a file that is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    beside.replace(path)


def read(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record
