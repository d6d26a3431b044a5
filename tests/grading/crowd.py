"""A class of any size with every kind of submission in it, hostile ones among them, and somebody who kills workers."""

import json
import os
import random
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

from attacks import exhausting, forging, honest, malformed, metadata, prying, reaching
from attacks.bank import CHECKS
from classes import ASSIGNMENT, KINDS, hand_in

HOSTILE_SHARE = 5  # every fifth is from the attack bank; those without end have their own test
_FAMILIES = (
    *(metadata.metadata, malformed.malformed, forging.forging, prying.prying),
    *(reaching.reaching, exhausting.exhausting, honest.honest),
)
ATTACKS = [attack for family in _FAMILIES for attack in family.attacks]


def a_crowd(course, size):
    """`size` submissions, each of its own content; student → check → the points that it deserves."""
    released = json.loads((course.root / "assignments" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_text())
    deserves = {}
    for number in range(size):
        student = f"s{number:04}"
        if number % HOSTILE_SHARE == 0:
            attack = ATTACKS[number // HOSTILE_SHARE % len(ATTACKS)]
            folder = course.root / "grading" / "submitted" / student / ASSIGNMENT
            folder.mkdir(parents=True)
            sent = attack.build(released).replace(b"COURSE", str(course.root).encode()).replace(b"PORT", b"9")
            (folder / f"{ASSIGNMENT}.ipynb").write_bytes(sent)
            earned = attack.earns
        else:
            source, points = list(KINDS.values())[number % len(KINDS)]
            hand_in(course, student, source, remark=student)
            earned = {"nearest-check": points}
        deserves[student] = dict.fromkeys(CHECKS, 0.0) | earned
    return deserves


def all_points(course):
    """Student → check → points, from nbgrader's gradebook."""
    found = {}
    with course.api.gradebook as gradebook:
        for submission in gradebook.assignment_submissions(ASSIGNMENT):
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            found[submission.student.id] = {g.name: g.auto_score for g in grades if g.name in CHECKS}
    return found


def descendants(process):
    """All processes below this one, by /proc; boxes are below the warm process, which is below the grader."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [process]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def workers_of(process):
    """The processes that mark for this grader: children of its fork server."""
    return [child for child, _ in _forked(process, b"multiprocessing.forkserver")]


def warm_processes_at_work(process):
    """The warm processes below this grader that have a box at the moment."""
    return sorted({parent for _, parent in _forked(process, b"coursekit.grading.box.server")})


def _forked(process, program):
    """(child, parent) below a process where the child was forked from a parent that runs this program."""
    found = []
    for candidate in descendants(process):
        try:
            parts = Path(f"/proc/{candidate}/cmdline").read_bytes().split(b"\0")
            parent = int(Path(f"/proc/{candidate}/stat").read_text().rpartition(")")[2].split()[1])
            of_parent = Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(program in part for part in parts) and parts == of_parent:
            found.append((candidate, parent))
    return found


@contextmanager
def somebody_who_kills(due, process=None):
    """Kills workers, chosen by chance, until there are `due()` of them; the list of its victims."""
    victims, over = [], threading.Event()
    chance = random.Random(0)

    def kill():
        while not over.wait(0.05):
            there = workers_of(process or os.getpid()) if len(victims) < due() else []
            if there:
                victims.append(chance.choice(there))
                try:
                    os.kill(victims[-1], signal.SIGKILL)
                except ProcessLookupError:
                    victims.pop()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        yield victims
    finally:
        over.set()
        killer.join()


def memory_of(process):
    """Proportional set size of a process and all below it, in MB: pages that several share count once."""
    total = 0
    for one in (process, *descendants(process)):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


@contextmanager
def most_memory(every=2.0):
    """The largest memory of this process and all below it while the body ran: a list with that one number."""
    most, over = [0.0], threading.Event()

    def look():
        while not over.wait(every):
            most[0] = max(most[0], memory_of(os.getpid()))

    looker = threading.Thread(target=look, daemon=True)
    looker.start()
    try:
        yield most
    finally:
        over.set()
        looker.join()
