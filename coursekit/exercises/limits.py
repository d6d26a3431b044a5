"""Stop an answer that does not end."""

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

# The computing time of another process that works for this one: an answer may be judged here and run there.
elsewhere: ContextVar[Callable[[], float]] = ContextVar("elsewhere", default=lambda: 0.0)


class Interruption(BaseException):
    """Ends a check and is not the answer's doing. Not an Exception: no `except Exception` shall swallow it."""


class TimeLimit(Interruption):
    """The time is up."""


LOOK = 0.2  # seconds between two looks at the time


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimit in this thread when its body takes longer than that.

    The seconds are of computing time, so that a busy machine costs nobody points. Whoever waits instead is stopped by
    the clock: see `_deadline`. On Unix, in the main thread, a timer's signal does it, which also ends a sleep.
    Elsewhere (Windows, other threads) a watchdog thread asks the interpreter, which acts at the next Python
    instruction. Both ask again and again, in case the answer swallowed the first.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        yield from _by_signal(seconds)
    else:
        yield from _by_watchdog(seconds)


def _deadline(seconds: float) -> Callable[[], bool]:
    """Tells, from now on, whether the time is up; to be asked every `LOOK` seconds.

    By the clock three times the seconds are granted, and four times what was computed, so that a seventh of a
    processor is enough. A machine that stood still between two looks (a laptop asleep) has not waited.
    """
    computed, seen, waited = _computing(), time.monotonic(), 0.0

    def is_over() -> bool:
        nonlocal seen, waited
        now, computing = time.monotonic(), _computing() - computed
        waited += min(now - seen, 5 * LOOK)
        seen = now
        return computing >= seconds or waited >= 3 * seconds + 4 * computing

    return is_over


def _computing() -> float:
    return time.process_time() + elsewhere.get()()


def _by_signal(seconds: float) -> Iterator[None]:
    started, is_over, done = time.monotonic(), _deadline(seconds), False
    look = min(seconds, LOOK)

    def stop(signum: int, frame: FrameType | None) -> None:
        if done:
            return
        over = is_over()
        # One shot at a time: an interval's signals would pile up on a machine that stood still.
        signal.setitimer(signal.ITIMER_REAL, look)
        if over:
            raise TimeLimit

    handler = signal.signal(signal.SIGALRM, stop)
    outer, repeat = signal.setitimer(signal.ITIMER_REAL, look)
    try:
        yield
    finally:
        done = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if outer:  # somebody else's timer, a test runner's perhaps, goes on with what is left of it
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - started), 0.001), repeat)


def _by_watchdog(seconds: float) -> Iterator[None]:
    thread = ctypes.c_ulong(threading.get_ident())
    done = threading.Event()

    def watch() -> None:
        is_over = _deadline(seconds)
        while not done.wait(min(seconds, LOOK)):
            if is_over():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TimeLimit))

    watchdog = threading.Thread(target=watch, daemon=True)
    watchdog.start()
    try:
        yield
    finally:
        _call_off(done, watchdog)


def _call_off(done: threading.Event, watchdog: threading.Thread) -> None:
    """End a watchdog and take what it may have thrown in the last moment.

    Not by throwing nothing, as `PyThreadState_SetAsyncExc(thread, None)` does: CPython 3.11 then believes for ever that
    something is on its way, and a thread with a profile function, as `Watch` sets one, turns in circles.
    """
    while True:
        try:
            done.set()
            watchdog.join()
            for _ in range(2):  # what was thrown arrives when a loop goes round
                pass
            return
        except TimeLimit:
            continue
