"""`unet_output_size(size, depth)`: what a U-Net with valid convolutions leaves of a height or width."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from coursekit.exercises import expect
from coursekit.exercises.answer import Answer, AnswerRaised
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

unet_output_size = Exercise("unet_output_size", forbids=(REFERENCE_MODELS, REFERENCE_OPS))


def _size(size: int, depth: int = 4) -> int:
    for _ in range(depth):
        size -= 4
        if size <= 0 or size % 2:
            raise ValueError(f"a pooling meets {size} pixels")
        size //= 2
    size -= 4
    for _ in range(depth):
        if size <= 0:
            break
        size = 2 * size - 4
    if size <= 0:
        raise ValueError("nothing is left")
    return size


def _smallest(depth: int) -> int:
    return 18 if depth == 1 else 12 * 2**depth - 4


def _valid(draw: Draw, depth: int) -> int:
    return _smallest(depth) + 2**depth * draw.integer(1, 20)


def _gives(answer: Answer, cases: Sequence[tuple[int, ...]]) -> list[object]:
    results = [answer(*case[:1], **({"depth": case[1]} if len(case) > 1 else {})) for case in cases]
    for result, case in zip(results, cases):
        depth = case[1] if len(case) > 1 else 4
        expect.number_close(result, _size(case[0], depth), f"the size left of {case[0]} at depth {depth}", 0)
    return results


def _is_whole(size: object) -> bool:
    """An int of Python or NumPy, or an array of such."""
    if isinstance(size, Tensor):
        return not size.is_floating_point()
    return isinstance(size, int | np.integer) or (isinstance(size, np.ndarray) and size.dtype.kind in "iu")


def _refuses(answer: Answer, cases: list[tuple[int, int]]) -> None:
    accepted = []
    for size, depth in cases:
        try:
            accepted.append((size, depth, answer(size, depth=depth)))
        except AnswerRaised as raised:
            if not isinstance(raised.error, ValueError):
                raise
    for size, depth, result in accepted:
        raise expect.CheckFailed(
            f"a size of {size} at depth {depth} gives {expect.describe(result)}; a ValueError is expected",
            mistake="none_instead_of_an_error" if result is None else None,
        )


@unet_output_size.check(points=0.5)
def depth_four(answer: Answer, draw: Draw) -> None:
    """572 leaves 388, as in the paper; other sizes at depth 4."""
    _gives(answer, [(572,), (188,), (204,), (_valid(draw, 4),), (_valid(draw, 4), 4)])


@unet_output_size.check(points=0.5)
def other_depths(answer: Answer, draw: Draw) -> None:
    """Other depths, from 1 to 6; a size is an int."""
    depths = [1, 2, 3, 5, 6]
    results = _gives(answer, [(_smallest(d), d) for d in depths] + [(_valid(draw, d), d) for d in depths])
    for result in results:
        told = f"a size should be an int; yours is {expect.describe(result)}"
        expect.that(_is_whole(result), told, "a_size_as_a_float")


@unet_output_size.check(points=0.5, needs="depth_four")
def odd_sizes(answer: Answer, draw: Draw) -> None:
    """A ValueError where a pooling, the first or a later one, would meet an odd size."""
    for depth in (4, 2, draw.integer(3, 5)):
        good = _valid(draw, depth)
        _refuses(answer, [(good + 2**level, depth) for level in range(depth)])
        _refuses(answer, [(size, depth) for size in range(good + 1, good + 2**depth)][:24])


@unet_output_size.check(points=0.5, needs="depth_four")
def nothing_left(answer: Answer, draw: Draw) -> None:
    """A ValueError where nothing would be left, on the way down or on the way up."""
    for depth in (4, 1, 2, draw.integer(3, 5)):
        step = 2**depth
        _gives(answer, [(_smallest(depth), depth)])
        _refuses(answer, [(size, depth) for size in range(_smallest(depth) - step, 0, -step)])
        _refuses(answer, [(size, depth) for size in (4, 3, 2, 1)])


def _walk(size: int, depth: int, down: int = 4, bottom: int = 4, up: int = 4) -> int:
    """The way down and up without looking for trouble."""
    for _ in range(depth):
        size = (size - down) // 2
    size -= bottom
    for _ in range(depth):
        size = 2 * size - up
    return size


def _checked(size: int, depth: int, result: int) -> int:
    _size(size, depth)
    return result


@unet_output_size.mistake
def none_instead_of_an_error(size: int, depth: int = 4) -> int | None:
    """Where the size does not fit, None is returned; the exercise asks for a ValueError."""
    try:
        return _size(size, depth)
    except ValueError:
        return None


@unet_output_size.mistake
def asserts(size: int, depth: int = 4) -> int:
    """A size that does not fit raises AssertionError; the exercise asks for a ValueError."""
    try:
        return _size(size, depth)
    except ValueError:
        raise AssertionError from None


@unet_output_size.mistake
def odd_sizes_allowed(size: int, depth: int = 4) -> int:
    """An odd size is rounded down at a pooling; the exercise asks for a ValueError."""
    result = _walk(size, depth)
    if size < _smallest(depth):
        raise ValueError("nothing is left")
    return result


@unet_output_size.mistake
def empty_sizes_allowed(size: int, depth: int = 4) -> int:
    """Odd sizes are refused, but a result of 0 or less comes back as if it were a size."""
    result = size
    for _ in range(depth):
        result -= 4
        if result % 2:
            raise ValueError("odd")
        result //= 2
    return _walk(size, depth)


@unet_output_size.mistake
def only_the_end_is_looked_at(size: int, depth: int = 4) -> int:
    """The size itself is tested for divisibility; it is after the convolutions that a pooling must find it even."""
    if size % 2**depth:
        raise ValueError("not divisible")
    return _walk(size, depth)


@unet_output_size.mistake
def only_the_first_pooling_checked(size: int, depth: int = 4) -> int:
    """The first pooling is looked at and the later ones are not: they too may meet an odd size."""
    result = _walk(size, depth)
    if size % 2 or result <= 0:
        raise ValueError("odd")
    return result


@unet_output_size.mistake
def depth_ignored(size: int, depth: int = 4) -> int:
    """The result is that of depth 4 whatever `depth` says."""
    return _size(size, 4)


@unet_output_size.mistake
def bottom_forgotten(size: int, depth: int = 4) -> int:
    """Too much is left: there are two convolutions at the very bottom too."""
    return _checked(size, depth, _walk(size, depth, bottom=0))


@unet_output_size.mistake
def way_up_forgotten(size: int, depth: int = 4) -> int:
    """Too much is left: the convolutions on the way up take pixels away as well."""
    return _checked(size, depth, _walk(size, depth, up=0))


@unet_output_size.mistake
def one_convolution_a_level(size: int, depth: int = 4) -> int:
    """Too much is left: how many 3 × 3 convolutions are there on every level?"""
    return _checked(size, depth, _walk(size, depth, 2, 2, 2))


@unet_output_size.mistake
def two_pixels_a_convolution_a_side(size: int, depth: int = 4) -> int:
    """Too little is left: a 3 × 3 convolution takes one pixel on each side."""
    return _checked(size, depth, _walk(size, depth, 8, 8, 8))


@unet_output_size.mistake
def as_with_padding(size: int, depth: int = 4) -> int:
    """The result is the size itself: that would be a U-Net with padded convolutions."""
    return _checked(size, depth, size)


@unet_output_size.mistake
def bottom_size(size: int, depth: int = 4) -> int:
    """This is the size at the bottom of the U; the way up is missing."""
    for _ in range(depth):
        size = (size - 4) // 2
    return size - 4


@unet_output_size.mistake
def one_level_too_many(size: int, depth: int = 4) -> int:
    """There is one pooling too many: `depth` counts the poolings, and the bottom comes after the last."""
    return _walk(size, depth + 1)


@unet_output_size.mistake
def never_refuses(size: int, depth: int = 4) -> int:
    """Every size gets an answer; some cannot be halved often enough, or leave nothing."""
    return _walk(size, depth)


def a_size_as_a_float(size: int, depth: int = 4) -> float:
    """The sizes are right, but floats: `/` gives a float even where nothing is left over."""
    return float(_size(size, depth))


unet_output_size.mistake(a_size_as_a_float, right_values=True)
