"""Shut a process in: namespaces, a file system of its own, another user, no privileges, limits.

Linux only. Everything is done by the process to itself, between the fork and the first line of a student's code:
there is no program to be installed and nothing to be started.
"""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import struct
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import coursekit

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    *(0x00020000, 0x04000000, 0x08000000),
    *(0x10000000, 0x20000000, 0x40000000),
)
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = (
    *(1, 2, 4, 8),
    *(32, 4096, 16384, 1 << 18),
)
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
_MB = 2**20

_libc = ctypes.CDLL(None, use_errno=True)


class CannotIsolate(OSError):
    """The kernel of this machine does not let a process be shut in."""


@dataclass(frozen=True)
class Limits:
    """What one box may use: bytes, processes with threads, seconds of computing."""

    memory: int = 3 * 2**29  # beyond what the warm process has mapped already
    processes: int = 64
    file_size: int = 64 * _MB
    scratch: int = 128 * _MB
    open_files: int = 256
    seconds: int = 600


@dataclass(frozen=True)
class View:
    """What of the file system a box sees, read-only: `shown` folders and files, less the `hidden` ones among them."""

    shown: tuple[Path, ...] = field(default_factory=lambda: tuple(_needed()))
    hidden: tuple[Path, ...] = field(default_factory=lambda: tuple(_secret()))


def _needed() -> Iterable[Path]:
    """Where Python, its libraries and this package lie; real data sets, if there are any."""
    system = [Path(folder) for folder in ("/usr", "/lib", "/lib64", "/bin", "/etc")]
    places = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix, *sysconfig.get_paths().values())}
    places.add(Path(coursekit.__file__).resolve().parent)
    data = os.environ.get("COURSEKIT_DATA")
    if data:
        places.add(Path(data).resolve())
    own = [p for p in sorted(places) if p.exists() and not p.is_relative_to("/usr")]
    inner = {p for p in own for outer in own if p != outer and p.is_relative_to(outer)}
    return [*(p for p in system if p.exists()), *(p for p in own if p not in inner)]


def _secret() -> Iterable[Path]:
    """The checks: their right answers and their banks of mistakes."""
    return sorted((Path(coursekit.__file__).resolve().parent / "exercises").glob("a[0-9]*"))


def become_root_of_nothing() -> None:
    """For an ordinary user: go on as the root of a user namespace, which owns the namespaces that are made from here.

    This process only waits for its child, the first of a PID namespace of its own, in which everything goes on.

    Raises:
        CannotIsolate: this machine does not allow it.
    """
    if os.geteuid() == 0:
        return
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _call("unshare", _NEWPID)
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def as_seen_outside(child: int) -> int:
    """The number that a child of this process has where /proc was mounted."""
    own = Path("/proc/self").readlink()
    for number in Path(f"/proc/{own}/task/{own}/children").read_text().split():
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{number}/status").read_text()
            numbers = status.partition("NSpid:")[2].split("\n")[0].split()
            if str(child) in numbers[-2:]:
                return int(number)
    return child


def build_view(view: View, root: Path) -> None:
    """Put the view together below `root`, once, in a mount namespace of this process's own.

    Raises:
        CannotIsolate: this machine does not allow it.
    """
    _call("unshare", _NEWNS)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    for path in view.shown:
        _show(path, root)
    for path in view.hidden:
        if (root / path.relative_to("/")).is_dir():
            _mount("tmpfs", root / path.relative_to("/"), "tmpfs", _MS_RDONLY | _MS_NOSUID | _MS_NODEV, "size=4k")
    for name in ("null", "zero", "full", "random", "urandom"):
        _show(Path("/dev") / name, root, device=True)
    for name in ("proc", "tmp", "dev/shm"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for link, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1")):
        (root / "dev" / link).symlink_to(target)
    _mount(None, root, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID)


def take_down_view(root: Path) -> None:
    _libc.umount2(os.fsencode(root), _MNT_DETACH)


def _show(path: Path, root: Path, device: bool = False) -> None:
    there = root / path.relative_to("/")
    if path.is_symlink():
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(path.readlink())
        return
    if path.is_dir():
        there.mkdir(parents=True, exist_ok=True)
    else:
        there.parent.mkdir(parents=True, exist_ok=True)
        there.touch()
    _mount(path, there, None, _MS_BIND | _MS_REC)
    if not device:
        _mount(None, there, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)


def next_child_in_own_processes() -> None:
    """The next fork's child is the first process of a PID namespace: when it ends, all that it started ends too."""
    with open("/proc/self/ns/pid") as own:  # noqa: PTH123, a descriptor is wanted
        _call("setns", own.fileno(), _NEWPID)
    _call("unshare", _NEWPID)


def shut_in(view: View, root: Path, limits: Limits, user: int) -> None:
    """Shut this process in, for good.

    Args:
        view: what `build_view` has put together below `root`.
        user: the id that the process gets where it may choose one.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # should memory run out, this goes first
    _call("unshare", _NEWNS | _NEWNET | _NEWIPC | _NEWUTS)
    socket.sethostname("box")
    _mount("proc", root / "proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    for name in ("tmp", "dev/shm"):
        within = [root / path.relative_to("/") for path in view.shown if path.is_relative_to(f"/{name}")]
        _lay_scratch(root / name, within, limits)
    os.chdir(root)
    _call("syscall", _PIVOT_ROOT, b".", b".")
    _call("umount2", b".", _MNT_DETACH)
    os.chdir("/tmp")
    os.environ.update(HOME="/tmp", TMPDIR="/tmp", USER="student", LOGNAME="student")
    os.setsid()
    os.nice(5)  # a bomb in here gives way to everybody else
    _limit(limits)
    _lose_privileges(user)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # after that, since a change of user would undo it
    _refuse_system_calls()


def _lay_scratch(folder: Path, shown: list[Path], limits: Limits) -> None:
    """An empty folder in memory; what is to be seen below it, an environment in /tmp for example, lies on top again."""
    covered = {path: os.open(path, os.O_PATH) for path in shown}
    _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={limits.scratch},mode=1777,nr_inodes=10k")
    for path, descriptor in covered.items():
        path.mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", path, None, _MS_BIND | _MS_REC)
        os.close(descriptor)


_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(os.uname().machine, 155)


def _limit(limits: Limits) -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for what, most in {
        resource.RLIMIT_AS: mapped + limits.memory,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CPU: limits.seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }.items():
        resource.setrlimit(what, (most, most))


def _lose_privileges(user: int) -> None:
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    with contextlib.suppress(OSError):  # in a user namespace there is only one user to be
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    header, nothing = struct.pack("Ii", 0x20080522, 0), bytes(24)
    _call("capset", header, nothing)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)


# System calls that no answer needs: other programs, other processes' memory, mounts, namespaces, keys, kernel modules.
_REFUSED = {
    "x86_64": (59, 322, 101, 310, 311, 165, 166, 155, 161, 272, 308, 248, 249, 250, 175, 313, 321, 298, 323, 425),
    "aarch64": (221, 281, 117, 270, 271, 40, 39, 41, 51, 97, 268, 217, 218, 219, 105, 273, 280, 241, 282, 425),
}
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def _refuse_system_calls() -> None:
    """A seccomp filter: these fail with "operation not permitted", and so does any call of another architecture."""
    machine = os.uname().machine
    numbers = _REFUSED.get(machine, ())
    if not numbers:
        return
    load, equal, give = 0x20, 0x15, 0x06
    refuse, allow = 0x00050000 | 1, 0x7FFF0000
    program = [(load, 0, 0, 4), (equal, 1, 0, _AUDIT[machine]), (give, 0, 0, refuse), (load, 0, 0, 0)]
    for position, number in enumerate(numbers):
        program.append((equal, len(numbers) - position, 0, number))
    program += [(give, 0, 0, allow), (give, 0, 0, refuse)]
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    held = ctypes.create_string_buffer(code)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    described = Program(len(program), ctypes.addressof(held))
    _prctl(_PR_SET_SECCOMP, 2, ctypes.addressof(described))


def _prctl(option: int, *values: int) -> None:
    _call("prctl", option, *(ctypes.c_ulong(v) for v in (*values, 0, 0, 0, 0)[:4]))


def _mount(source: object, target: object, kind: str | None, flags: int, data: str = "") -> None:
    texts = [None if text is None else os.fsencode(str(text)) for text in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), data.encode() or None)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise CannotIsolate(number, f"{name}: {os.strerror(number)}")
