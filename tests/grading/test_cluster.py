"""A real cluster of two Dask workers on this machine: one that is killed in the middle loses nothing."""

import io
import os
import signal
import sys
import threading

import pytest
from classes import ASSIGNMENT, a_class, points, results
from rich.console import Console

from coursekit.grading.grade import grade

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the box needs Linux"),
    pytest.mark.usefixtures("warm"),
]


@pytest.fixture
def cluster():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(processes=True, **options) as made:
        yield made


def test_a_worker_killed_in_the_middle_loses_nothing(course, cluster):
    deserves = a_class(course, 10)
    over, victims = threading.Event(), []

    def kill_one_after_two_results():
        while not over.wait(0.02):
            if len(results(course)) >= 2:
                victims.append(next(iter(cluster.workers.values())).pid)
                os.kill(victims[0], signal.SIGKILL)
                return

    killer = threading.Thread(target=kill_one_after_two_results)
    killer.start()
    try:
        outcome = grade(ASSIGNMENT, course.root, Console(file=io.StringIO()), scheduler=cluster.scheduler_address)
    finally:
        over.set()
        killer.join()
    assert victims
    assert outcome.failed == {}
    assert points(course) == deserves
