"""The attack bank: no unearned point, no honest point lost, nothing outside the box changed."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from attacks import endless, exhausting, forging, honest, malformed, metadata, prying, reaching
from attacks.bank import CHECKS

from coursekit.grading.marking import OUTSIDE, mark_sheet
from coursekit.grading.reading import read_sheet
from coursekit.grading.rebuild import rebuild

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "assignments" / "01_unpooling" / "01_unpooling.ipynb"
FAMILIES = [
    *(metadata.metadata, malformed.malformed, forging.forging, prying.prying),
    *(reaching.reaching, exhausting.exhausting, endless.endless, honest.honest),
]
ATTACKS = [attack for family in FAMILIES for attack in family.attacks]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """What hostile code would like to reach: a course with a gradebook, and a server that counts its callers."""
    course = tmp_path_factory.mktemp("course")
    for name in ("grading/gradebook.db", "grading/submitted/ada/01_unpooling/01_unpooling.ipynb", "solutions/s.ipynb"):
        file = course / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("not to be read or written")
    course.chmod(0o777)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield course, listening


def fingerprint(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(f).encode() + f.read_bytes() for f in files)).hexdigest()


def boxes_left(server):
    """Children of the warm process. What a box has started is in its PID namespace and cannot outlive it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            continue
        if parent == str(server._process.pid):
            found.append(entry.name)
    return found


def test_the_bank_is_large():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert len([attack for attack in ATTACKS if attack.family != "honest"]) >= 40


WITHOUT_THE_BAN = """
import json, os
from dataclasses import replace
import torch
from torch import nn
from torch.nn import functional as F
from attacks.prying import FORBIDDEN
from coursekit import exercises
from coursekit.exercises.judge import judge
exercise = replace(exercises.load("01_unpooling").exercises["max_pool_with_indices"], forbids=())
for how, code in FORBIDDEN.items():
    if not os.fork():
        space = {"torch": torch, "nn": nn, "F": F}
        exec(code, space)
        score = judge(exercise, space["max_pool_with_indices"], 0).score
        print(json.dumps([how, score]), flush=True)
        os._exit(0)
    os.wait()
"""


def test_what_is_forbidden_would_earn_points_without_the_ban():
    """An attack that fails by itself proves nothing."""
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_THE_BAN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent, process_group=0) as judged:
        earned = dict(json.loads(judged.stdout.readline()) for _ in prying.FORBIDDEN)
        os.killpg(judged.pid, signal.SIGKILL)  # with what they have forked
    assert set(earned) == set(prying.FORBIDDEN)
    assert min(earned.values()) >= 3.5, earned  # from another process no gradient comes back


@pytest.mark.parametrize("attack", [pytest.param(a, id=f"{a.family}: {a.name}") for a in ATTACKS])
def test_attack(attack, warm, outside):
    course, listening = outside
    released = json.loads(RELEASED.read_text())
    sent = attack.build(released)
    sent = sent.replace(b"COURSE", str(course).encode()).replace(b"PORT", str(listening.getsockname()[1]).encode())
    before = fingerprint(course), fingerprint(ROOT / "coursekit" / "ops")

    rebuilt = rebuild(nbformat.read(RELEASED, as_version=4), sent)
    marks = mark_sheet(read_sheet(rebuilt.notebook, "01_unpooling", seed=11), warm)

    assert {mark.grade_id: mark.points for mark in marks} == dict.fromkeys(CHECKS, 0.0) | attack.earns
    assert all(mark.how == OUTSIDE for mark in marks)
    assert attack.finding in "\n".join(rebuilt.findings)
    assert (fingerprint(course), fingerprint(ROOT / "coursekit" / "ops")) == before
    assert boxes_left(warm) == []
    with pytest.raises(BlockingIOError):
        listening.accept()
    assert not list(Path("/").glob("owned-by-a-student"))
    assert os.getuid() != 0 or not Path("/etc/owned-by-a-student").exists()
