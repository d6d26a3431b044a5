"""Surgery on networks: set the weights of an answer and of a reference alike, and compare what they do.

A parameter gets values that depend on its number of elements only. So nothing needs to be known about the names and
the order of an answer's layers: wherever two networks have the same convolutions, they have the same weights.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from coursekit.exercises import expect
from coursekit.exercises.answer import Answer, AnswerRaised, kind_of, quiet
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise

Run = Callable[..., Any]
Reference = Callable[..., nn.Module]
Probe = Callable[[nn.Module, Run], tuple[Tensor, ...]]


def build(answer: Answer, *args: int, **kwargs: int) -> nn.Module:
    """The network that the answer makes, ready for surgery: lazy layers get their weights by a first call."""
    network = answer(*args, **kwargs)
    if not isinstance(network, nn.Module):
        raise expect.CheckFailed(f"an nn.Module should be made; yours is {expect.describe(network)}")
    if any(is_lazy(p) for p in network.parameters()):
        answer.run(network, torch.zeros(1, args[0], 188, 188))  # fits every depth up to 4
    return network


def set_weights(network: nn.Module, seed: int, positive: bool = False) -> nn.Module:
    """Random weights of He's scale; positive ones cut nothing off at a ReLU, whatever its place."""
    with torch.no_grad():
        for parameter in network.parameters():
            count = parameter.numel()
            draw = Draw(seed, str(count))
            # A convolution from c to c channels with 3 × 3 windows has 9·c² weights and 3·√(9·c²) summands.
            summands = 3 * count**0.5
            values = draw.uniform(count) ** 4 * 5 / summands if positive else draw.normal(count) * (2 / summands) ** 0.5
            parameter.copy_(values.reshape(parameter.shape))
    return network


def sizes(network: nn.Module) -> list[int]:
    """How many elements each parameter has: what `set_weights` goes by."""
    return sorted(p.numel() for p in network.parameters())


def judge_network(
    exercise: Exercise,
    answer: Answer,
    network: nn.Module,
    references: Iterable[Reference],
    args: tuple[int, ...],
    probe: Probe,
    what: str,
) -> list[Reference]:
    """The probe of the answer gives what that of one of the references gives, which is returned."""
    try:
        got = tuple(expect.a_tensor(part, what=what) for part in probe(network, answer.run))
    except AnswerRaised as raised:
        mistake = known_mistake(exercise, args, network, probe, kind_of(raised.error))
        if mistake is None:
            raise
        raise expect.CheckFailed(f"your network raised {type(raised.error).__name__}", mistake=mistake) from None
    first: tuple[Tensor, ...] | None = None
    for reference in references:
        expected = probe(reference(*args), _run)
        if alike(got, expected):
            return [reference]
        first = first or expected
    mistake = known_mistake(exercise, args, network, probe, got)
    for part, wanted in zip(got, first or ()):
        if not alike((part,), (wanted,)):
            if part.shape != wanted.shape:
                shapes = f"{what} should have the shape {tuple(wanted.shape)}; yours has {tuple(part.shape)}"
                raise expect.CheckFailed(shapes, mistake=mistake)
            break
    raise expect.CheckFailed(f"{what} is not what it should be", part.detach(), wanted, mistake)


def known_mistake(
    exercise: Exercise, args: tuple[int, ...], network: nn.Module, probe: Probe, got: tuple[Tensor, ...] | str
) -> str | None:
    """The mistake of the bank with the same parameters whose probe gives the same."""
    for name, mistake in exercise.mistakes.items():
        for skip_first in (True, False):
            with quiet(), torch.random.fork_rng(devices=[]):
                try:
                    other = mistake.answer(*args)
                    other.skip_first = skip_first
                    if sizes(other) != sizes(network):
                        continue
                    found: tuple[Tensor, ...] | str = probe(other, _run)
                except Exception as error:
                    found = kind_of(error)
            if found == got if isinstance(found, str) or isinstance(got, str) else alike(got, found):
                return name
    return None


def alike(left: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> bool:
    return len(left) == len(right) and all(
        a.shape == b.shape and (a.numel() == 0 or bool((a - b).abs().max() <= 2e-5 * b.abs().max()))
        for a, b in zip(left, right)
    )


def _run(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)
