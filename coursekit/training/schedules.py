"""Learning rates over a run: a factor for each share of the steps that is done, from 0 to 1."""

import math
from collections.abc import Callable

WARM_UP = 0.05

Schedule = Callable[[float], float]


def constant(done: float) -> float:
    """The same rate all the time."""
    return 1.0


def cosine(done: float) -> float:
    """Up in a line for a twentieth of the run, then down to 0 along a cosine (Loshchilov & Hutter 2017)."""
    if done < WARM_UP:
        return (done + 1e-3) / (WARM_UP + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def poly(done: float) -> float:
    """(1 − done)^0.9, as PSPNet and DeepLab were trained."""
    return (1 - done) ** 0.9


SCHEDULES: dict[str, Schedule] = {"constant": constant, "cosine": cosine, "poly": poly}


def schedule_of(schedule: str | Schedule) -> Schedule:
    """A schedule by name; a function of the share that is done is one already."""
    if callable(schedule):
        return schedule
    if schedule not in SCHEDULES:
        raise ValueError(f"no schedule is called {schedule!r}; there are {', '.join(SCHEDULES)}, or give a function")
    return SCHEDULES[schedule]
