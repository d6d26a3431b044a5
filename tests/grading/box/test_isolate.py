"""What a box sees of the world, and what it may do there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import coursekit

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]

PROBE = """\
import ctypes, os, socket, subprocess, sys
from pathlib import Path

def probe(what, *args):
    try:
        return str(getattr(Probe, what)(*args))
    except BaseException as error:
        return type(error).__name__

class Probe:
    listing = staticmethod(lambda path: sorted(os.listdir(path)))
    user = staticmethod(lambda: [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()])
    processes = staticmethod(lambda: [name for name in os.listdir('/proc') if name.isdigit()])
    connect = staticmethod(lambda: socket.create_connection(('127.0.0.1', 1), 1))
    interfaces = staticmethod(lambda: [name for _, name in socket.if_nameindex()])
    program = staticmethod(lambda: subprocess.run([sys.executable, '--version']))
    write = staticmethod(lambda path: Path(path).write_text('x'))
    remember = staticmethod(lambda: (Path('/tmp/kept').exists(), Path('/tmp/kept').write_text('x')))
    become_root = staticmethod(lambda: os.setuid(0))
    namespace = staticmethod(lambda: ctypes.CDLL(None).unshare(0x10000000))
    mount = staticmethod(lambda: ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None))
    capabilities = staticmethod(lambda: [l for l in open('/proc/self/status') if l.startswith(('Cap', 'NoNewPrivs', 'Seccomp:'))])
    descriptors = staticmethod(lambda: [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')])
    host = staticmethod(socket.gethostname)
"""


@pytest.fixture
def probe(warm):
    with warm.box() as box:
        yield box.function(box.define([PROBE], ["probe"], [])["answers"]["probe"]["number"])


def test_the_checks_and_the_course_are_not_there(probe):
    for folder in sorted((ROOT / "coursekit" / "exercises").glob("a0*")):
        assert probe("listing", str(folder)) == "[]"
    for hidden in ("solutions", "assignments", "tests", "grading", ".git"):
        assert probe("listing", str(ROOT / hidden)) in ("FileNotFoundError", "PermissionError")
    assert "ops" in probe("listing", str(Path(coursekit.__file__).parent))


def test_homes_are_not_there(probe):
    assert probe("listing", "/home") == "FileNotFoundError"
    names = probe("listing", str(Path.home()))
    assert names == "FileNotFoundError" or not set(eval(names)) & {".ssh", ".bashrc", ".cache", ".config"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a box another user")
def test_it_is_another_user(probe):
    user, effective, group, groups = eval(probe("user"))
    assert user == effective == group >= 60_000
    assert groups == []
    assert probe("become_root") == "PermissionError"


def test_it_has_no_privileges(probe):
    lines = dict(line.split() for line in eval(probe("capabilities")))
    assert {int(lines[name], 16) for name in ("CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:")} == {0}
    assert (lines["NoNewPrivs:"], lines["Seccomp:"]) == ("1", "2")
    assert probe("namespace") == "-1"
    assert probe("mount") == "-1"
    assert probe("program") == "PermissionError"


def test_it_is_alone(probe):
    assert probe("processes") == "['1']"
    assert probe("connect") in ("OSError", "ConnectionRefusedError")
    assert probe("interfaces") == "['lo']"
    assert probe("host") == "box"


def test_it_holds_nothing_but_its_channel(probe):
    names = [name for name in eval(probe("descriptors")) if name != "/dev/null"]
    assert [name for name in names if name.startswith("socket:")] == names
    assert len(names) == 1


def test_everything_is_read_only_but_a_scratch_of_its_own(probe, warm):
    for path in ("/x", "/etc/x", "/usr/x", str(Path(sys.prefix) / "x"), str(Path(coursekit.__file__))):
        assert probe("write", path) in ("OSError", "PermissionError"), path
    assert probe("remember") == "(False, 1)"
    assert probe("remember") == "(True, 1)"
    with warm.box() as other:
        again = other.function(other.define([PROBE], ["probe"], [])["answers"]["probe"]["number"])
        assert again("remember") == "(False, 1)"


def test_an_ordinary_user_shuts_in_too(tmp_path):
    """In a user namespace; where this Python's folder is closed to other users, root cannot try it."""
    if os.geteuid() == 0:
        closed = [
            p for p in (*Path(sys.base_prefix).parents, *Path(coursekit.__file__).parents) if not p.stat().st_mode & 1
        ]
        if closed:
            pytest.skip(f"{closed[0]} is closed to other users")
        os.chown(tmp_path, 65534, 65534)
    source = (
        "from coursekit.grading.box.remote import Server\n"
        "with Server() as server, server.box() as box:\n"
        f"    number = box.define([{PROBE!r}], ['probe'], [])['answers']['probe']['number']\n"
        "    print([box.function(number)(*what) for what in (['capabilities'], ['processes'], ['interfaces'])])\n"
        "    print(box.seconds() > 0)\n"
    )
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    run = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)}, text=True,
        capture_output=True, check=False, **user,
    )  # fmt: skip
    if "does not let students' code be shut in" in run.stderr:
        pytest.skip(run.stderr.strip().splitlines()[-1])
    seen, counted = run.stdout.strip().splitlines()
    assert "0000000000000000" in seen
    assert "['1']" in seen
    assert "['lo']" in seen
    assert counted == "True"
