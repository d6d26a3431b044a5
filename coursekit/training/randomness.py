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
def seeded(*numbers: int) -> Iterator[int]:
    """Inside, torch's, Python's and numpy's generators start from `numbers`; afterwards they stand where they stood.

    Gives the seed. A GPU's own generator is not touched.
    """
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    seed = mixed(*numbers)
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  what others' transforms draw from
    try:
        yield seed
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])  # noqa: NPY002
