"""Training: `fit` a network, `evaluate` it, and a `History` that plots itself.

- `fit.py`: the two calls; `run.py`: the run behind `fit`, step by step
- `tasks.py`: what a batch, a loss and a score are, for label maps and for instances
- `loading.py`, `randomness.py`: which samples come when, and what is drawn for each
- `schedules.py`, `averaging.py`, `devices.py`: learning rates, moving average of weights, format and memory
- `pretrained.py`: trained networks that ship with the package, `pretrained("unet-streets")`, and their cards
- `checkpoints.py`, `history.py`, `progress.py`: what is kept and what is shown
"""

from coursekit.training.checkpoints import DamagedCheckpointError, load_weights, save_weights
from coursekit.training.fit import evaluate, fit
from coursekit.training.history import Epoch, History
from coursekit.training.pretrained import Card, cards, pretrained

__all__ = [
    "Card",
    "DamagedCheckpointError",
    "Epoch",
    "History",
    "cards",
    "evaluate",
    "fit",
    "load_weights",
    "pretrained",
    "save_weights",
]
