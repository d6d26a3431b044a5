"""The random state of a process, kept in step with that of another: draws in the box continue those outside it."""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Randomness:
    """Tells what has changed, since it last told or was told, of Python's, NumPy's and torch's global generators."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    def changed(self) -> dict[str, Tensor]:
        """The states, each as one tensor of whole numbers."""
        numpys: Any = np.random.get_state(legacy=True)  # noqa: NPY002, students use the global generator
        now = {
            "python": random.getstate()[1],
            "numpy": (numpys[1].tobytes(), int(numpys[2])),
            "torch": torch.get_rng_state(),
        }
        before, self.known = self.known, now
        states: dict[str, Tensor] = {}  # made only of what has changed: that is seldom anything
        if now["python"] != before.get("python"):
            states["python"] = torch.tensor(now["python"])
        if now["numpy"] != before.get("numpy"):
            states["numpy"] = torch.tensor([*numpys[1].tolist(), now["numpy"][1]])
        if "torch" not in before or not torch.equal(now["torch"], before["torch"]):
            states["torch"] = now["torch"]
        return states

    def receive(self, states: dict[str, Tensor]) -> None:
        """Raises ValueError, TypeError or RuntimeError for what is no state of a generator."""
        if "python" in states:
            random.setstate((3, tuple(states["python"].tolist()), None))
        if "numpy" in states:
            *words, position = states["numpy"].tolist()
            state: Any = ("MT19937", np.array(words, dtype=np.uint32), position)
            np.random.set_state(state)  # noqa: NPY002
        if "torch" in states:
            torch.set_rng_state(states["torch"])
        self.changed()
