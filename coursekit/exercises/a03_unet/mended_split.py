"""`mended_split(num_slices, tiles_per_slice, test_share, seed)`: the autopsy, a split without a leak.

The given `split` shuffles overlapping tiles: those of one slice come to lie on both sides.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from coursekit.exercises import expect
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

mended_split = Exercise("mended_split", forbids=(REFERENCE_MODELS, REFERENCE_OPS))

Pairs = list[tuple[int, int]]
Split = tuple[Pairs, Pairs]


def _pairs(part: Any, what: str) -> Pairs:
    """Pairs of numbers out of any kind of sequence of any kind of pairs."""
    try:
        pairs = [tuple(int(number) for number in pair) for pair in part]
    except (TypeError, ValueError):
        seen = expect.describe(part)
        raise expect.CheckFailed(f"{what} should be a list of (slice, tile) pairs; it is {seen}") from None
    expect.that(all(len(pair) == 2 for pair in pairs), f"{what} should hold pairs (slice, tile)")
    return [(pair[0], pair[1]) for pair in pairs]


def _parts(result: Any) -> Split:
    train, test = expect.a_pair(result, "the pairs to train with and those to test with")
    return _pairs(train, "the training part"), _pairs(test, "the test part")


def _cases(draw: Draw) -> list[tuple[int, int, float, int]]:
    """Numbers of slices and shares without ties in the rounding."""
    return [
        (10, 9, 0.3, draw.integer(0, 99)),
        (draw.integer(12, 14), 4, 0.2, draw.integer(0, 99)),
        (7, draw.integer(10, 16), 0.4, draw.integer(0, 99)),
        (11, 5, 0.6, draw.integer(100, 999)),
    ]


@mended_split.check(points=0.5)
def every_pair_once(answer: Answer, draw: Draw) -> None:
    """Every pair of slice and tile is used, and used once, on the side of the rest of its slice."""
    for slices, tiles, share, seed in _cases(draw):
        train, test = _parts(answer(slices, tiles, share, seed))
        expected = sorted((s, t) for s in range(slices) for t in range(tiles))
        found = sorted(train + test)
        missing, twice = len(set(expected) - set(found)), len(found) - len(set(found))
        strange = len(set(found) - set(expected))
        expect.that(
            found == expected,
            f"of {len(expected)} pairs {missing} are missing, {twice} come more than once, {strange} do not exist",
        )
        _no_shared_slice(train, test)


def _no_shared_slice(train: Pairs, test: Pairs) -> None:
    shared = {s for s, _ in train} & {s for s, _ in test}
    expect.that(not shared, f"{len(shared)} slices have tiles on both sides, number {min(shared, default=0)} for one")


@mended_split.check(points=0.5, needs="every_pair_once")
def right_share(answer: Answer, draw: Draw) -> None:
    """The share of slices to test with is met to the nearest whole slice; each side gets at least one."""
    cases: list[tuple[tuple[int, int, float, int], int | None]] = [(c, None) for c in _cases(draw)]
    cases += [((5, 4, 0.02, 3), 1), ((6, 3, 0.99, 4), 5), ((2, 4, 0.1, 5), 1), ((9, 2, 0.95, 6), 8)]
    cases += [((10, 3, 0.27, 7), 3), ((10, 3, 0.32, 7), 3)]
    results = [answer(*case) for case, _ in cases]
    for result, (case, given) in zip(results, cases):
        slices, _, share, _ = case
        train, test = _parts(result)
        _no_shared_slice(train, test)
        wanted = given or min(max(round(slices * share), 1), slices - 1)
        count = len({s for s, _ in test})
        expect.that(
            count == wanted, f"of {slices} slices {count} are tested with at a share of {share}; {wanted} are expected"
        )


@mended_split.check(points=1, needs="every_pair_once")
def chance_by_the_seed(answer: Answer, draw: Draw) -> None:
    """The seed decides and nothing else: the same twice, another for another, and every slice has its chance."""
    first = draw.integer(0, 10_000)
    chosen = []
    for seed in range(first, first + 60):
        train, test = _parts(answer(10, 2, 0.3, seed))
        _no_shared_slice(train, test)
        chosen.append(tuple(sorted({s for s, _ in test})))
    expect.that(
        len(set(chosen)) > 5, f"60 seeds give {len(set(chosen))} different choices of test slices", "seed_ignored"
    )
    never = set(range(10)) - {s for choice in chosen for s in choice}
    expect.that(not never, f"slices {sorted(never)} never come into the test, whatever the seed")
    _global_state(answer, first)
    again = _parts(answer.run(answer.function, 10, 2, 0.3, first))
    same = tuple(sorted({s for s, _ in again[1]})) == chosen[0]
    expect.that(same, "two calls with the same seed give different splits", "seed_forgotten")


def _global_state(answer: Answer, seed: int) -> None:
    """Neither draws from the global generators nor seeds them."""

    def states() -> tuple[Any, ...]:
        numpy_state = str(np.random.get_state())  # noqa: NPY002
        return random.getstate(), numpy_state, torch.get_rng_state().tolist()

    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    results, changed = [], False
    try:
        for number in (1, 2):
            random.seed(number)
            np.random.seed(number)  # noqa: NPY002
            torch.manual_seed(number)
            old = states()
            results.append(_parts(answer.run(answer.function, 10, 2, 0.3, seed)))
            changed = changed or states() != old
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
    expect.that(results[0] == results[1], "two calls with the same seed give different splits", "seed_forgotten")
    expect.that(not changed, "the call changed a global random state", "global_seed")


def _by_slices(
    slices: int, tiles: int, test: list[int], order: Callable[[int, int], tuple[int, int]] = lambda s, t: (s, t)
) -> Split:
    chosen = set(test)
    parts: Split = ([], [])
    for s in range(slices):
        parts[s in chosen].extend(order(s, t) for t in range(tiles))
    return parts


def _shuffled(slices: int, seed: int) -> list[int]:
    order = list(range(slices))
    random.Random(seed).shuffle(order)
    return order


def _number(slices: int, share: float) -> int:
    return min(max(round(slices * share), 1), slices - 1)


@mended_split.mistake
def tiles_shuffled(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """Tiles of one slice still stand on both sides. Which things are so alike that they must stay together?"""
    pairs = [(s, t) for s in range(num_slices) for t in range(tiles_per_slice)]
    random.Random(seed).shuffle(pairs)
    cut = round(len(pairs) * (1 - test_share))
    return pairs[:cut], pairs[cut:]


@mended_split.mistake
def split_by_tile(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """The split goes by the tile's number, so every slice has tiles on both sides."""
    test = set(_shuffled(tiles_per_slice, seed)[: _number(tiles_per_slice, test_share)])
    pairs = [(s, t) for s in range(num_slices) for t in range(tiles_per_slice)]
    return [p for p in pairs if p[1] not in test], [p for p in pairs if p[1] in test]


@mended_split.mistake
def cut_through_a_slice(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """The slices were shuffled, but the cut fell into the middle of one: count slices, not tiles."""
    pairs = [(s, t) for s in _shuffled(num_slices, seed) for t in range(tiles_per_slice)]
    cut = int(len(pairs) * test_share) - 1
    return pairs[cut:], pairs[:cut]


@mended_split.mistake
def train_and_test_swapped(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """The larger part is the other one: the training part is returned first, and `test_share` is the test's."""
    test = _shuffled(num_slices, seed)[: _number(num_slices, test_share)]
    return _by_slices(num_slices, tiles_per_slice, test)[::-1]


@mended_split.mistake
def share_rounded_down(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """The number of slices is always rounded down; the nearest whole number is asked for."""
    number = min(max(int(num_slices * test_share), 1), num_slices - 1)
    return _by_slices(num_slices, tiles_per_slice, _shuffled(num_slices, seed)[:number])


@mended_split.mistake
def share_rounded_up(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """The number of slices is always rounded up; the nearest whole number is asked for."""
    number = min(int(num_slices * test_share) + 1, num_slices - 1)
    return _by_slices(num_slices, tiles_per_slice, _shuffled(num_slices, seed)[:number])


@mended_split.mistake
def side_left_empty(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """A small or a large share leaves one side without any slice; each gets at least one."""
    number = round(num_slices * test_share)
    return _by_slices(num_slices, tiles_per_slice, _shuffled(num_slices, seed)[:number])


@mended_split.mistake
def seed_ignored(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """The same slices are chosen for every seed: chance should choose them, and the seed decide how."""
    test = list(range(num_slices))[-_number(num_slices, test_share) :]
    return _by_slices(num_slices, tiles_per_slice, test)


@mended_split.mistake
def last_slice_never_tested(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """The last slice never comes into the test: how far does the range of random numbers reach?"""
    return _by_slices(num_slices, tiles_per_slice, _shuffled(num_slices - 1, seed)[: _number(num_slices, test_share)])


@mended_split.mistake
def pairs_turned_round(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """The pairs are (tile, slice); asked for are (slice, tile)."""
    test = _shuffled(num_slices, seed)[: _number(num_slices, test_share)]
    return _by_slices(num_slices, tiles_per_slice, test, lambda s, t: (t, s))


@mended_split.mistake
def one_tile_a_slice(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """Only the first tile of every slice is used; all of them belong to the side of their slice."""
    return _by_slices(num_slices, 1, _shuffled(num_slices, seed)[: _number(num_slices, test_share)])


@mended_split.mistake
def tests_with_all(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """The slices to test with are used for training as well: they must not be seen before."""
    test = _shuffled(num_slices, seed)[: _number(num_slices, test_share)]
    return _by_slices(num_slices, tiles_per_slice, [])[0], _by_slices(num_slices, tiles_per_slice, test)[1]


@mended_split.mistake
def drawn_with_replacement(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """Some test slice was drawn twice, so there are too few: draw without putting back."""
    chance = random.Random(seed)
    test = [chance.randrange(num_slices) for _ in range(_number(num_slices, test_share))]
    return _by_slices(num_slices, tiles_per_slice, test)


def seed_forgotten(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """Two calls with the same seed differ: chance must come from a generator made with that seed."""
    test = torch.randperm(num_slices).tolist()[: _number(num_slices, test_share)]
    return _by_slices(num_slices, tiles_per_slice, test)


def global_seed(num_slices: int, tiles_per_slice: int, test_share: float, seed: int) -> Split:
    """The global random generator was seeded, for everybody else too: make a generator of your own."""
    random.seed(seed)
    test = random.sample(range(num_slices), _number(num_slices, test_share))
    return _by_slices(num_slices, tiles_per_slice, test)


for _mistake in (seed_forgotten, global_seed):
    mended_split.mistake(_mistake, right_values=True)
