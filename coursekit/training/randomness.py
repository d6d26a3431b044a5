"""Random numbers that depend on what they are for, not on what was drawn before.

The crop of sample i in epoch e comes from (seed, e, i), the dropout of step k from (seed, k). So a run that was
killed needs no generator's state to go on, and the number of workers or processes changes no picture.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def mixed(*numbers: int) -> int:
    """One seed of 63 bits from several numbers; (1, 2) and (2, 1) give different ones."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever is drawn inside, torch's, Python's and numpy's generators stand afterwards where they stood.

    A GPU's own generator is not looked after.
    """
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002  others' transforms use it
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])  # noqa: NPY002


def start_from(*numbers: int) -> int:
    """Let the three generators begin anew, with a seed made of `numbers`; gives the seed."""
    seed = mixed(*numbers)
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    return seed
