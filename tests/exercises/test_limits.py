"""The time limit, by signal in the main thread and by watchdog elsewhere."""

import contextlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from coursekit.exercises.limits import TimeLimit, time_limit


def overrun():
    with time_limit(0.1):
        while True:
            pass


def test_the_main_thread_is_stopped():
    started = time.monotonic()
    with pytest.raises(TimeLimit):
        overrun()
    assert time.monotonic() - started < 2


def test_a_sleep_is_stopped():
    with pytest.raises(TimeLimit), time_limit(0.1):
        time.sleep(30)


def test_another_thread_is_stopped():
    caught = []

    def work():
        try:
            overrun()
        except TimeLimit:
            caught.append(True)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout=5)
    assert caught == [True]


def test_a_body_in_time_is_left_alone():
    with time_limit(5):
        pass
    with time_limit(0.05):
        pass
    time.sleep(0.1)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Unix timers")
def test_an_outer_timer_goes_on():
    before = signal.getitimer(signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        with time_limit(1):
            pass
        assert 90 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_a_machine_that_stood_still_has_not_waited(monkeypatch):
    from coursekit.exercises import limits

    clock = [0.0]
    monkeypatch.setattr(limits, "_computing", lambda: 0.0)
    monkeypatch.setattr(limits.time, "monotonic", lambda: clock[0])
    is_over = limits._deadline(10.0)
    for moment in (0.2, 3600.0, 3600.2):
        clock[0] = moment
        assert not is_over()
    looks = 0
    while not is_over():
        clock[0] += 0.2
        looks += 1
    assert 140 < looks < 150


def test_a_starved_answer_gets_its_computing_time(monkeypatch):
    from coursekit.exercises import limits

    clock = [0.0]
    monkeypatch.setattr(limits, "_computing", lambda: clock[0] / 6)
    monkeypatch.setattr(limits.time, "monotonic", lambda: clock[0])
    is_over = limits._deadline(10.0)
    while not is_over():
        clock[0] += 0.2
    assert clock[0] == pytest.approx(60, abs=1)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Unix timers")
def test_an_answer_that_swallows_it_is_asked_again():
    swallowed = 0
    with time_limit(0.1):
        while swallowed < 3:
            try:
                while True:
                    pass
            except TimeLimit:
                swallowed += 1
    assert swallowed == 3


def overrun_twice():
    with time_limit(0.3):
        with contextlib.suppress(TimeLimit):
            overrun()
        while True:
            pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Unix timers")
def test_an_outer_limit_goes_on_after_an_inner_one():
    with pytest.raises(TimeLimit):
        overrun_twice()


PROFILED = """
import sys, threading
from coursekit.exercises.limits import time_limit

def work():
    with time_limit(5):
        pass
    sys.setprofile(lambda *event: None)
    (lambda: None)()
    print("through")

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_a_limit_in_a_thread_does_not_hang_a_later_profile():
    command = [sys.executable, "-c", PROFILED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "through\n"
