"""A class on this machine: the hub as `deploy/jupyterhub` sets it up, one instructor and two students with logins of
their own. Everything is removed afterwards, people, homes and groups included."""

import csv
import grp
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import requests

from tests.browser.conftest import browser, keep  # noqa: F401 (fixtures)

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "jupyterhub"
GROUPS = ("formgrade-segmentation", "nbgrader-segmentation")
ASSIGNMENT = "01_unpooling"

# Several of nbgrader's commands, in one process: each alone would import everything anew.
COMMANDS = """
import contextlib, shlex, sys
from jupyter_core.application import NoStart
from nbgrader.apps import NbGraderApp
for line in sys.argv[1:]:
    app = NbGraderApp.instance()
    app.initialize(shlex.split(line))
    with contextlib.suppress(NoStart):
        app.start()
    type(app.subapp).clear_instance()
    NbGraderApp.clear_instance()
"""


def what_is_missing():
    """Why there can be no class here, or nothing."""
    if sys.platform != "linux" or os.geteuid():
        return "a class needs Linux and root, who can make users"
    programs = {"useradd": "passwd", "runuser": "util-linux", "npm": "npm"}
    lacking = [package for program, package in programs.items() if shutil.which(program) is None]
    if lacking:
        return f"missing here: apt install {' '.join(lacking)}"
    if interpreter() is None:
        return f"no Python {sys.version_info.major}.{sys.version_info.minor} here that users other than root can run"
    if not readable(Path(sysconfig.get_path("purelib"))):
        return f"users other than root cannot read {sysconfig.get_path('purelib')}"
    return None


def as_nobody(*command):
    return subprocess.run(["runuser", "-u", "nobody", "--", *command], capture_output=True, check=False, cwd="/")


def readable(path):
    return as_nobody("test", "-r", path).returncode == 0


def interpreter():
    """This Python, or one of the same version, that every user can run."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys._base_executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        if as_nobody(path, "-c", "import encodings").returncode == 0:
            return path
    return None


def environment_for_everybody(prefix):
    """An environment like the one that runs the tests, which `install.sh` finds almost complete.

    It has everything from there but the course, which is installed into it; that spares the gigabytes.
    """
    subprocess.run([interpreter(), "-m", "venv", "--without-pip", prefix], check=True)
    here, there = Path(sys.prefix), sysconfig.get_path("purelib", vars={"base": str(prefix)})
    Path(there, "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    subprocess.run(["cp", "-r", here / "etc", prefix], check=True)
    # Nothing is changed below share, so that links will do where the file system is the same.
    if subprocess.run(["cp", "-rl", here / "share", prefix], check=False, capture_output=True).returncode:
        subprocess.run(["cp", "-r", here / "share", prefix], check=True)
    for script in (here / "bin").iterdir():
        first, _, rest = script.read_bytes().partition(b"\n")
        if first.startswith(b"#!") and b"python" in first and not (prefix / "bin" / script.name).exists():
            (prefix / "bin" / script.name).write_bytes(f"#!{prefix}/bin/python\n".encode() + rest)
            (prefix / "bin" / script.name).chmod(0o755)


class Person:
    """Somebody with a login on this machine."""

    def __init__(self, classroom, name, password):
        self.classroom, self.name, self.password = classroom, name, password
        entry = pwd.getpwnam(name)
        self.home, self.uid = Path(entry.pw_dir), entry.pw_uid

    def run(self, *command, folder=".", check=True):
        """A command as this user, in a folder of their home; returns what it printed, errors included."""
        bin_folder = self.classroom.prefix / "bin"
        environment = [
            *("env", "-i", f"HOME={self.home}", f"USER={self.name}", "LANG=C.UTF-8", "OMP_NUM_THREADS=1"),
            f"PATH={bin_folder}:/usr/local/bin:/usr/bin:/bin",
        ]
        ran = subprocess.run(
            ["runuser", "-u", self.name, "--", *environment, *map(str, command)],
            cwd=self.home / folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        if check:
            assert ran.returncode == 0, f"{self.name}: {command[:3]}\n{ran.stdout[-4000:]}"
        return ran.stdout

    def nbgrader(self, *lines, folder="."):
        return self.run("python", "-c", COMMANDS, *lines, folder=folder)

    def refused(self, *command):
        """Whether the system says no to this user, in these words."""
        said = self.run("env", "LC_ALL=C", *command, check=False)
        return "Permission denied" in said or "Operation not permitted" in said

    def answer(self, assignment, answers):
        """Type answers, by grade id, into the notebook that was fetched."""
        file = self.home / assignment / f"{assignment}.ipynb"
        notebook = nbformat.read(file, as_version=4)
        for cell in notebook.cells:
            cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
        file.write_text(nbformat.writes(notebook))

    def log_in(self):
        """A session at the hub, as a browser has it after the login page."""
        session = requests.Session()
        page = session.get(f"{self.classroom.url}/hub/login")
        form = {"username": self.name, "password": self.password, "_xsrf": session.cookies.get("_xsrf", path="/hub/")}
        session.post(page.url, data=form)
        return session

    def start_server(self):
        """The same, and a server of one's own, into which the session is let."""
        session = self.log_in()
        session.get(f"{self.classroom.url}/hub/spawn")
        mine = f"{self.classroom.url}/user/{self.name}"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            page = session.get(f"{mine}/lab")
            if page.ok and page.url.startswith(mine):
                return session
            time.sleep(0.5)
        raise RuntimeError(f"no server for {self.name}: {page.status_code} at {page.url}")


class Classroom:
    """The installed course, its people, its hub."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.exchange = prefix / "var" / "exchange"
        self.package = Path(
            subprocess.run(
                [prefix / "bin" / "python", "-c", "import coursekit; print(*coursekit.__path__)"],
                cwd="/",
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()
        )

    def enrol(self, role, *names):
        said = subprocess.run(
            [DEPLOY / "users.sh", role, *names],
            env=os.environ | {"PREFIX": str(self.prefix)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return [Person(self, *line.split()) for line in said.splitlines()]

    def right_answers(self, assignment):
        """By grade id."""
        notebook = nbformat.read(ROOT / "solutions" / assignment / f"{assignment}.ipynb", as_version=4)
        cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")]
        return {cell.metadata.nbgrader.grade_id: cell.source for cell in cells}

    def automatic_points(self, assignment):
        """Points by grade id, but for those that a human gives."""
        released = self.teacher.home / "segmentation" / "assignments" / assignment / f"{assignment}.ipynb"
        marks = [cell.metadata.get("nbgrader", {}) for cell in nbformat.read(released, as_version=4).cells]
        return {mark["grade_id"]: mark["points"] for mark in marks if mark.get("grade") and not mark["solution"]}

    def start_hub(self, log):
        """The hub as configured, on free ports."""
        public, hub, proxy = free_ports(3)
        self.url = f"http://127.0.0.1:{public}"
        return subprocess.Popen(
            [
                self.prefix / "bin" / "jupyterhub",
                f"--config={self.prefix}/etc/jupyterhub/jupyterhub_config.py",
                f"--JupyterHub.bind_url={self.url}",
                f"--JupyterHub.hub_bind_url=http://127.0.0.1:{hub}",
                f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{proxy}",
            ],
            cwd="/",
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def wait_for(url, hub, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and hub.poll() is None:
        try:
            if requests.get(f"{url}/hub/login", timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.3)
    raise RuntimeError(f"the hub did not start:\n{log.read_text()[-3000:]}")


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def remove(name):
    """A user, whatever of theirs still runs, and their home."""
    for _ in range(20):
        processes = [p for p in Path("/proc").glob("[0-9]*") if _owner(p) == pwd.getpwnam(name).pw_uid]
        if not processes:
            break
        for process in processes:
            subprocess.run(["kill", "-KILL", process.name], check=False, capture_output=True)
        time.sleep(0.1)
    subprocess.run(["userdel", "--force", "--remove", name], check=True, capture_output=True)


def _owner(process):
    try:
        return process.stat().st_uid
    except FileNotFoundError:
        return None


@pytest.fixture(scope="session")
def classroom(tmp_path_factory):
    reason = what_is_missing()
    if reason:
        pytest.skip(reason)
    had_groups = {group.gr_name for group in grp.getgrall()}
    scratch = tmp_path_factory.mktemp("classroom")
    prefix = Path(tempfile.mkdtemp(prefix="coursekit-", dir="/opt"))
    prefix.chmod(0o755)
    names = [f"{name}-{secrets.token_hex(3)}" for name in ("teacher", "ada", "ben", "passer-by")]
    hub = None
    try:
        environment_for_everybody(prefix)
        pip_wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*pip_wheel, "--wheel-dir", scratch, ROOT], check=True)
        install = [DEPLOY / "install.sh", *scratch.glob("*.whl")]
        subprocess.run(install, env=os.environ | {"PREFIX": str(prefix)}, check=True)
        room = Classroom(prefix)
        (room.teacher,) = room.enrol("instructor", names[0])
        room.ada, room.ben, room.passer_by = room.enrol("student", *names[1:])
        subprocess.run(["gpasswd", "--delete", room.passer_by.name, GROUPS[1]], check=True, capture_output=True)
        with (scratch / "hub.log").open("w") as log:
            hub = room.start_hub(log)
        wait_for(room.url, hub, scratch / "hub.log")
        yield room
    finally:
        if hub:
            hub.terminate()
            hub.wait(timeout=60)
        for name in {user.pw_name for user in pwd.getpwall()} & set(names):
            remove(name)
        for group in {group.gr_name for group in grp.getgrall()} & set(GROUPS) - had_groups:
            subprocess.run(["groupdel", group], check=True)
        shutil.rmtree(prefix)


@pytest.fixture(scope="session")
def graded(classroom):
    """The first assignment by command line, from its release to fetched feedback; what was said, and the grades.

    Ada answers well. Ben's first answer is right only where the teacher's gradebook can be seen, which it must not be.
    """
    teacher, ada, ben = classroom.teacher, classroom.ada, classroom.ben
    right = classroom.right_answers(ASSIGNMENT)
    spy = f"""{right["nearest-answer"]}

import os
if not os.path.exists({str(teacher.home / "segmentation" / "grading" / "gradebook.db")!r}):
    def nearest_unpool(x, scale):
        return x"""
    teacher.start_server()  # which makes the course
    teacher.nbgrader(f"generate_assignment {ASSIGNMENT}", f"release_assignment {ASSIGNMENT}", folder="segmentation")

    def study(student, answers):
        student.nbgrader("list", f"fetch_assignment {ASSIGNMENT}")
        student.answer(ASSIGNMENT, answers)
        return student.nbgrader(f"validate {ASSIGNMENT}/{ASSIGNMENT}.ipynb", f"submit {ASSIGNMENT}")

    with ThreadPoolExecutor() as pool:
        answers = {ada: right, ben: right | {"nearest-answer": spy}}
        said = list(pool.map(study, *zip(*answers.items())))
        teacher.nbgrader(f"collect {ASSIGNMENT}", folder="segmentation")
        teacher.run("coursekit", "grade", ASSIGNMENT, folder="segmentation")
        give_back = (f"generate_feedback {ASSIGNMENT}", f"release_feedback {ASSIGNMENT}", "export")
        teacher.nbgrader(*give_back, folder="segmentation")
        list(pool.map(lambda student: student.nbgrader(f"fetch_feedback {ASSIGNMENT}"), (ada, ben)))
    with (teacher.home / "segmentation" / "grades.csv").open() as file:
        scores = {row["student_id"]: float(row["raw_score"]) for row in csv.DictReader(file)}
    return SimpleNamespace(assignment=ASSIGNMENT, validated=said, scores=[scores[ada.name], scores[ben.name]])
