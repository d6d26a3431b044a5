"""Collecting from an exchange in which students may put anything."""

import contextlib
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from classes import ASSIGNMENT, NEAREST, hand_in

from coursekit.grading.collect import copy_own_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nbgrader has no exchange on Windows")
as_root = pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root can give files away")


@pytest.fixture
def sent(tmp_path):
    """A submission with a notebook and a folder, and beside it what only the instructor may read."""
    folder = tmp_path / "sent"
    (folder / "plots").mkdir(parents=True)
    (folder / "a.ipynb").write_text("mine")
    (folder / "plots" / "b.txt").write_text("mine too")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "solution.ipynb").write_text("secret")
    return folder


def copied(sent, most=1e6):
    target = sent.with_name("copied")
    left_out = copy_own_files(sent, target, most)
    return {str(f.relative_to(target)): f.read_text() for f in target.rglob("*") if f.is_file()}, left_out


OWN = {"a.ipynb": "mine", "plots/b.txt": "mine too"}


def test_files_are_copied(sent):
    assert copied(sent) == (OWN, {})


def make_socket(path):
    socket.socket(socket.AF_UNIX).bind(str(path))


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to(path.parent.parent / "secret" / "solution.ipynb"),
        lambda path: path.symlink_to("/nowhere"),
        os.mkfifo,
        make_socket,
        lambda path: path.write_bytes(bytes(2_000_000)),
    ],
    ids=["a link", "a link to nothing", "a pipe", "a socket", "too large"],
)
def test_what_is_no_file_of_the_student_s_is_left_out_and_said(sent, make):
    make(sent / "plots" / "odd")
    files, left_out = copied(sent)
    assert files == OWN
    assert list(left_out) == ["plots/odd"]


def test_all_files_together_have_a_limit(sent):
    for number in range(5):
        (sent / f"{number}.bin").write_bytes(bytes(300_000))
    files, left_out = copied(sent)
    assert len([name for name in files if name.endswith(".bin")]) == 3
    assert len(left_out) == 2


def test_a_link_to_a_folder_is_not_followed(sent):
    (sent / "more").symlink_to(sent.parent / "secret")
    assert copied(sent) == (OWN, {"more": "it is a link"})
    (sent.parent / "again").symlink_to(sent.parent / "secret")
    with pytest.raises(NotADirectoryError, match="again"):
        copy_own_files(sent.parent / "again", sent.parent / "target", 1e6)


def test_folders_in_folders_without_end_stop_nobody(sent):
    with contextlib.chdir(sent):
        for _ in range(1500):  # one below the other: as a path this would be too long
            Path("d").mkdir()
            os.chdir("d")
    files, left_out = copied(sent)
    assert files == OWN
    assert list(left_out.values()) == ["it lies too deep"]
    subprocess.run(["rm", "-r", sent / "d"], check=True)  # pytest's own way is by recursion


@as_root
def test_a_file_of_somebody_else_s_is_left_out(sent):
    os.chown(sent, 1, 1)
    os.chown(sent / "a.ipynb", 1, 1)
    assert copied(sent) == ({"a.ipynb": "mine"}, {"plots/b.txt": "it belongs to somebody else"})


@as_root
@pytest.mark.slow
def test_one_student_s_tricks_do_not_stop_the_class_and_gain_nothing(course, tmp_path):
    """nbgrader's command, with users that every Unix has."""
    inbound = tmp_path / "exchange" / "segmentation" / "inbound"
    honest, also_honest, linker, piper, forger = (pwd.getpwuid(number) for number in range(1, 6))
    solution = (course.root / "solutions" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").resolve()

    def put(owner, make, name=None, hour=10):
        folder = inbound / f"{name or owner.pw_name}+{ASSIGNMENT}+2026-11-01 {hour}:00:00 UTC+x"
        folder.mkdir(parents=True)
        make(folder / f"{ASSIGNMENT}.ipynb")
        (folder / "timestamp.txt").write_text(f"2026-11-01 {hour}:00:00 UTC")
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)

    for owner in (honest, also_honest):
        put(owner, hand_in(course, owner.pw_name, NEAREST, remark=f"by {owner.pw_name}").rename)
    put(linker, lambda path: path.symlink_to(solution))
    put(piper, os.mkfifo)
    put(forger, lambda path: path.write_text("forged"), name=honest.pw_name, hour=12)
    command = ["nbgrader", "collect", ASSIGNMENT, "--update", f"--Exchange.root={tmp_path / 'exchange'}"]
    subprocess.run([sys.executable, "-m", *command], cwd=course.root, check=True, timeout=120)

    def collected(owner):
        folder = course.root / "grading" / "submitted" / owner.pw_name / ASSIGNMENT
        return {file.name: file.read_text() for file in folder.iterdir() if file.name != "timestamp.txt"}

    assert f"by {honest.pw_name}" in collected(honest)[f"{ASSIGNMENT}.ipynb"]
    assert f"by {also_honest.pw_name}" in collected(also_honest)[f"{ASSIGNMENT}.ipynb"]
    assert collected(linker) == collected(piper) == {}
    assert collected(forger) == {f"{ASSIGNMENT}.ipynb": "forged"}
