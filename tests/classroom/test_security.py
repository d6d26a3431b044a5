"""What a student tries on the class's machine and hub, and is refused. Each has its counterpart: that others may."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytestmark = [pytest.mark.classroom, pytest.mark.slow]


@pytest.fixture
def secrets(classroom, graded):
    """What students must not read, by name."""
    course = classroom.teacher.home / "segmentation"
    notebook = f"{graded.assignment}/{graded.assignment}.ipynb"
    return {
        "another's home": classroom.ada.home,
        "another's answers": classroom.ada.home / notebook,
        "what was handed in": classroom.exchange / "segmentation" / "inbound",
        "others' feedback": classroom.exchange / "segmentation" / "feedback",
        "the teacher's course": course,
        "its solutions": course / "solutions" / notebook,
        "what was collected": course / "grading" / "submitted" / classroom.ada.name / notebook,
        "the gradebook": course / "grading" / "gradebook.db",
        "the package's solutions": classroom.package / "course" / "solutions" / notebook,
        "the hub's database": classroom.prefix / "var" / "hub" / "jupyterhub.sqlite",
        "the hub's secret": classroom.prefix / "var" / "hub" / "cookie_secret",
    }


def test_files_are_closed(classroom, secrets):
    for name, path in secrets.items():
        assert path.exists(), name
        assert classroom.ben.refused("ls", path) if path.is_dir() else classroom.ben.refused("cat", path), name
    assert not classroom.teacher.refused("ls", classroom.package / "course" / "solutions")
    assert not classroom.teacher.refused("ls", secrets["what was handed in"])
    assert not classroom.ada.refused("cat", secrets["another's answers"])


def test_nobody_puts_an_exchange_of_his_own_in_its_place(classroom, graded):
    course = classroom.exchange / "segmentation"
    assert classroom.ben.refused("mv", course, classroom.exchange / "gone")
    assert classroom.ben.refused("touch", course / "mine")


def test_nobody_hands_in_for_another(classroom, graded):
    collected = classroom.teacher.home / "segmentation" / "grading" / "submitted"
    place = f"{graded.assignment}/{graded.assignment}.ipynb"
    before = (collected / classroom.ada.name / place).read_bytes()
    sent = classroom.ben.home / place
    sent.write_text(sent.read_text().replace("os.path.exists", "os.path.lexists"))
    classroom.ben.nbgrader(f"submit {graded.assignment} --CourseDirectory.student_id={classroom.ada.name}")
    assert (
        len(list((classroom.exchange / "segmentation" / "inbound").glob(f"{classroom.ada.name}+{graded.assignment}+*")))
        == 2
    )
    classroom.teacher.nbgrader(f"collect {graded.assignment} --update", folder="segmentation")
    assert (collected / classroom.ada.name / place).read_bytes() == before
    assert "lexists" in (collected / classroom.ben.name / place).read_text()


def test_what_is_handed_in_as_a_link_or_a_pipe_is_not_collected(classroom, graded, secrets):
    """Who knows where the exchange is needs no `nbgrader submit`, and the instructor may read what the link shows."""
    inbound = classroom.exchange / "segmentation" / "inbound"
    folder = inbound / f"{classroom.ben.name}+{graded.assignment}+2099-01-01 00:00:00 UTC+mine"
    classroom.ben.run("mkdir", folder)
    classroom.ben.run("ln", "-s", secrets["its solutions"], folder / f"{graded.assignment}.ipynb")
    classroom.ben.run("mkfifo", folder / "pipe")
    classroom.teacher.nbgrader(f"collect {graded.assignment} --update", folder="segmentation")
    collected = classroom.teacher.home / "segmentation" / "grading" / "submitted" / classroom.ben.name
    assert list((collected / graded.assignment).iterdir()) == []


def test_only_the_class_gets_in(classroom):
    assert "/hub/login" not in classroom.ben.log_in().get(f"{classroom.url}/hub/home").url
    assert "/hub/login" in classroom.passer_by.log_in().get(f"{classroom.url}/hub/home").url


def listening(user):
    """The TCP ports on which a user's processes listen."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and row[7] == str(user.uid)}


@pytest.fixture(scope="module")
def servers(classroom):
    """Everybody logged in, their servers running: sessions and addresses of Ada, Ben and the teacher."""
    people = (classroom.ada, classroom.ben, classroom.teacher)
    with ThreadPoolExecutor() as pool:
        sessions = list(pool.map(lambda person: person.start_server(), people))
    return sessions, [f"{classroom.url}/user/{person.name}" for person in people]


def test_servers_and_formgrader_are_for_their_owners(classroom, servers):
    (ada, ben, teacher), (hers, mine, the_teachers) = servers
    assert ada.get(f"{hers}/api/contents").ok
    assert teacher.get(f"{the_teachers}/formgrader/manage_assignments").ok
    for page in (f"{hers}/api/contents", f"{hers}/lab", f"{the_teachers}/formgrader", f"{the_teachers}/api/contents"):
        assert ben.get(page).status_code in {403, 404}, page
    assert ben.get(f"{mine}/formgrader").status_code == 404
    assert ben.get(f"{classroom.url}/hub/admin").status_code == 403
    past_the_hub = f"user/{classroom.ada.name}/api/contents"
    assert [ben.get(f"http://127.0.0.1:{port}/{past_the_hub}").status_code for port in listening(classroom.ada)] == [
        403
    ]


TELLS_A_SECRET = """
import pathlib, threading, time
def tell():
    while True:
        print("what Ada computes")
        time.sleep(0.2)
threading.Thread(target=tell, daemon=True).start()
pathlib.Path.home().joinpath("telling").touch()
"""
LISTENS = """
import sys, zmq
heard = zmq.Context().socket(zmq.SUB)
heard.subscribe(b"")
for port in sys.argv[1:]:
    heard.connect(f"tcp://127.0.0.1:{port}")
print("heard" if heard.poll(5000) else "silence")
"""


def test_nobody_listens_to_anothers_kernel(classroom, servers):
    """Whoever may connect to a kernel's output over TCP hears it, without a key."""
    (ada, _, _), (hers, _, _) = servers
    server = listening(classroom.ada)
    startup = ".ipython/profile_default/startup"
    classroom.ada.run("mkdir", "-p", startup)
    classroom.ada.run("python", "-c", f"open('{startup}/tell.py', 'w').write({TELLS_A_SECRET!r})")
    xsrf = {"X-XSRFToken": ada.cookies.get("_xsrf", path=f"/user/{classroom.ada.name}/")}
    assert ada.post(f"{hers}/api/kernels", headers=xsrf).status_code == 201
    deadline = time.monotonic() + 120
    while not (classroom.ada.home / "telling").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    ports = listening(classroom.ada) - server
    assert classroom.ben.run("python", "-c", LISTENS, *ports).strip() == "silence"
    assert list(classroom.ada.home.glob(".local/share/jupyter/runtime/*-ipc-*"))
