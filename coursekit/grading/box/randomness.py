"""The random state of a process, kept in step with that of another: draws in the box continue those outside it."""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Randomness:
    """Tells what has changed, since it last told or was told, of Python's, NumPy's and torch's global generators."""

    def __init__(self) -> None:
        self.known: dict[str, Tensor] = {}

    def changed(self) -> dict[str, Tensor]:
        """The states, each as one tensor of whole numbers."""
        numpys: Any = np.random.get_state(legacy=True)  # noqa: NPY002, students use the global generator
        now = {
            "python": torch.tensor(random.getstate()[1]),
            "numpy": torch.tensor([*numpys[1].tolist(), int(numpys[2])]),
            "torch": torch.get_rng_state(),
        }
        before, self.known = self.known, now
        return {
            name: state for name, state in now.items() if name not in before or not torch.equal(state, before[name])
        }

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
