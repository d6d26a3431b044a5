"""What a student tries on the class's machine and hub, and is refused. Each has its counterpart: that others may."""

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
    assert len(list((classroom.exchange / "segmentation" / "inbound").glob(f"{classroom.ada.name}+*"))) == 2
    classroom.teacher.nbgrader(f"collect {graded.assignment} --update", folder="segmentation")
    assert (collected / classroom.ada.name / place).read_bytes() == before
    assert "lexists" in (collected / classroom.ben.name / place).read_text()


def test_only_the_class_gets_in(classroom):
    assert "/hub/login" not in classroom.ben.log_in().get(f"{classroom.url}/hub/home").url
    assert "/hub/login" in classroom.passer_by.log_in().get(f"{classroom.url}/hub/home").url


def listening(user):
    """The TCP ports on which a user's processes listen."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and row[7] == str(user.uid)}


def test_servers_and_kernels_are_for_their_owners(classroom):
    people = (classroom.ada, classroom.ben, classroom.teacher)
    with ThreadPoolExecutor() as pool:
        ada, ben, teacher = pool.map(lambda person: person.start_server(), people)
    hers, mine, the_teachers = (f"{classroom.url}/user/{person.name}" for person in people)

    assert ada.get(f"{hers}/api/contents").ok
    assert teacher.get(f"{the_teachers}/formgrader/manage_assignments").ok
    for page in (f"{hers}/api/contents", f"{hers}/lab", f"{the_teachers}/formgrader", f"{the_teachers}/api/contents"):
        assert ben.get(page).status_code in {403, 404}, page
    assert ben.get(f"{mine}/formgrader").status_code == 404
    assert ben.get(f"{classroom.url}/hub/admin").status_code == 403

    (port,) = listening(classroom.ada)
    assert ben.get(f"http://127.0.0.1:{port}/user/{classroom.ada.name}/api/contents").status_code == 403

    # With a kernel running there is still that one port: messages go through files of her home.
    xsrf = {"X-XSRFToken": ada.cookies.get("_xsrf", path=f"/user/{classroom.ada.name}/")}
    kernel = ada.post(f"{hers}/api/kernels", headers=xsrf)
    assert kernel.status_code == 201
    assert listening(classroom.ada) == {port}
    assert list(classroom.ada.home.glob(".local/share/jupyter/runtime/*-ipc-*"))
