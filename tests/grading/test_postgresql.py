"""PostgreSQL as the gradebook: a class graded into a server of this test's own."""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import pytest
from classes import ASSIGNMENT, a_class, points
from rich.console import Console

from coursekit.grading import pool
from coursekit.grading.grade import Course, grade

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the box needs Linux"),
]
ROOT = Path(__file__).parents[2]


def program(name):
    """One of PostgreSQL's programs; Debian keeps them in a folder by version."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]))


@pytest.fixture(scope="module")
def database():
    """The address of an empty database, on a socket that only this user reaches."""
    pytest.importorskip("psycopg2", reason="the extra `classroom` is not installed")
    if not program("initdb") or not program("pg_ctl"):
        pytest.skip("no PostgreSQL server here (Debian: apt install postgresql)")
    user = "postgres" if os.getuid() == 0 else None  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path must be short, and all above it open to that user
    if user:
        try:
            shutil.chown(folder, user)
        except LookupError:
            pytest.skip("root has no user `postgres` to run the server as")

    def run(*command):
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

    run(program("initdb"), "-D", f"{folder}/data", "-U", "grader", "-A", "trust", "--no-sync", "-E", "UTF8")
    control = [program("pg_ctl"), "-D", f"{folder}/data", "-l", f"{folder}/log", "-w"]
    run(*control, "-o", f"-c listen_addresses='' -k {folder} -c fsync=off", "start")
    try:
        yield f"postgresql+psycopg2://grader@/postgres?host={folder}"
    finally:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def test_a_class_is_recorded_in_postgresql(warm, database, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "Server", lambda boxed: type(warm)(boxed, warm.address))
    monkeypatch.setenv("COURSEKIT_GRADEBOOK", database)
    shutil.copytree(ROOT / "solutions" / ASSIGNMENT, tmp_path / "solutions" / ASSIGNMENT)
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    with chdir(tmp_path):
        course = Course(tmp_path)
        released = course.api.generate_assignment(ASSIGNMENT)
        assert released["success"], released
        deserves = a_class(course, 3)
        first = grade(ASSIGNMENT, tmp_path, Console(file=io.StringIO()))
        again = grade(ASSIGNMENT, tmp_path, Console(file=io.StringIO()))
    assert (len(first.recorded), first.failed) == (3, {})
    assert (again.marked, len(again.unchanged)) == (0, 3)
    assert points(course) == deserves
    assert not (tmp_path / "grading" / "gradebook.db").exists()
