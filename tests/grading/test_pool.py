"""Several workers on this machine: one that is killed loses nothing, and a whole crowd gets what it deserves."""

import io
import os
import signal
import sys
import threading
import time

import pytest
from classes import ASSIGNMENT, a_class, points, results
from crowd import a_crowd, all_points, somebody_who_kills, warm_processes_at_work, workers_of
from rich.console import Console

from coursekit.grading import pool
from coursekit.grading.box.remote import Server
from coursekit.grading.grade import grade
from coursekit.grading.marking import mark_sheet
from coursekit.grading.sheet import Item, Sheet

SIZE = int(os.environ.get("COURSEKIT_CLASS_SIZE", "60"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the box needs Linux"),
    pytest.mark.usefixtures("warm"),
]


@pytest.fixture(autouse=True)
def share_the_warm_process(warm, monkeypatch):
    monkeypatch.setattr(pool, "Server", lambda boxed: type(warm)(boxed, warm.address))


def test_two_workers_give_the_same_marks(course):
    deserves = a_class(course, 6)
    outcome = grade(ASSIGNMENT, course.root, Console(file=io.StringIO()), workers=2)
    assert (outcome.marked, len(outcome.recorded), outcome.failed) == (6, 6, {})
    assert points(course) == deserves
    assert workers_of(os.getpid()) == []


def test_a_sheet_of_which_every_worker_dies_does_not_stop_the_class(warm, monkeypatch):
    monkeypatch.setattr(pool, "_mark", dies_of_points_above_2)  # forked workers find it by its name, in this module
    sheets = [Sheet("x", 0, (Item(f"check{n}", float(n), None, "1.0", ()),)) for n in range(1, 5)]
    marks = dict(pool.mark_all(sheets, 2, True, None))
    assert {number: found[0].points for number, found in marks.items()} == {0: 1.0, 1: 1.0, 2: 0.0, 3: 0.0}
    assert "3 processes that tried have died" in marks[3][0].message


def dies_of_points_above_2(sheet):
    if sheet["items"][0]["points"] > 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return [mark.to_dict() for mark in mark_sheet(Sheet.from_dict(sheet), pool._server)]


def test_a_crowd_whose_workers_are_killed_gets_what_it_deserves(course):
    deserves = a_crowd(course, SIZE)
    with somebody_who_kills(lambda: len(results(course)) // 15) as victims:
        outcome = grade(ASSIGNMENT, course.root, Console(file=io.StringIO()), workers=2)
    assert len(victims) >= 2
    assert outcome.failed == {}
    assert all_points(course) == deserves


SLOW = """
import time
import torch

def nearest_unpool(x, scale):
    time.sleep(0.2)
    return x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_warm_process_that_is_killed_costs_nobody_points(workers, monkeypatch):
    monkeypatch.setattr(pool, "Server", Server)  # one of its own
    sheets = [Sheet("x", n, (Item("check", 2.0, "nearest_unpool", "", (SLOW,)),)) for n in range(4)]
    killed = threading.Event()

    def kill_it():
        while not killed.is_set():
            for victim in warm_processes_at_work(os.getpid()):
                time.sleep(0.3)  # into the first calls of an answer
                os.kill(victim, signal.SIGKILL)
                killed.set()
            time.sleep(0.02)

    killer = threading.Thread(target=kill_it, daemon=True)
    killer.start()
    marks = dict(pool.mark_all(sheets, workers, True, None))
    assert killed.is_set()
    assert {number: found[0].points for number, found in marks.items()} == dict.fromkeys(range(4), 2.0)
