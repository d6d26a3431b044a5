"""Training: `fit` a network, `evaluate` it, and a `History` that plots itself."""

from coursekit.training.fit import evaluate, fit
from coursekit.training.history import Epoch, History

__all__ = ["Epoch", "History", "evaluate", "fit"]
