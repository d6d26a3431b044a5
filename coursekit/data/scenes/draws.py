"""Random numbers that are the same on every machine."""

import math

import numpy as np
from jaxtyping import Float, Shaped, UInt8

__all__ = ["Draws", "between", "pick"]


class Draws:
    """The random numbers of one scene, fixed by (seed, index).

    numpy promises that the bits of PCG64 stay the same from version to version, and promises nothing for the
    distributions of `Generator`; hence the fractions are made here.
    """

    def __init__(self, seed: int, index: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(index,)))

    def uniform(self, *shape: int) -> Float[np.ndarray, "..."]:
        """Fractions in [0, 1) with 53 random bits."""
        raw = self._bits.random_raw(math.prod(shape))
        return ((raw >> np.uint64(11)) * 2.0**-53).reshape(shape)

    def octets(self, *shape: int) -> UInt8[np.ndarray, "..."]:
        """Bytes, where there are many and eight bits will do."""
        count = math.prod(shape)
        return self._bits.random_raw(-(-count // 8)).astype("<u8", copy=False).view(np.uint8)[:count].reshape(shape)


def between(fraction: Float[np.ndarray, "..."], low: float, high: float) -> Float[np.ndarray, "..."]:
    """Fractions in [0, 1) as numbers in [low, high)."""
    return low + (high - low) * fraction


def pick(table: Shaped[np.ndarray, "m *row"], fraction: Float[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """The rows of a table that fractions in [0, 1) fall on."""
    return table[(fraction * len(table)).astype(np.int64)]
