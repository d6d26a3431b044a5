"""The warm process: it has everything heavy imported, and forks a box in milliseconds.

It must stay single-threaded, since a fork copies only the thread that forks, and it never runs a student's code
itself. It ends, and all its boxes with it, when the process that started it does.
"""

import array
import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coursekit.grading.box.isolate import View

_FIRST_USER, _USERS = 60_000, 4_000  # of boxes: no limit on one user's processes is shared by two boxes
_LONGEST = 2**16


def main(boxed: bool) -> None:
    """Say on standard output where to connect, then serve until standard input ends."""
    _warm_up()
    from coursekit.grading.box import isolate

    try:
        if boxed:
            isolate.become_root_of_nothing()
    except OSError as error:
        print(json.dumps({"problem": str(error), "isolation": True}), flush=True)
        return
    view = isolate.View()
    home = Path(tempfile.mkdtemp(prefix="coursekit-box-"))
    root = home / "root"
    try:
        root.mkdir()
        address = str(home / "control")
        door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        door.bind(address)
        door.listen()
        if boxed:
            isolate.build_view(view, root)
    except OSError as error:
        print(json.dumps({"problem": str(error), "isolation": True}), flush=True)
    else:
        print(json.dumps({"address": address}), flush=True)
        _Server(door, view, root, boxed).serve()
    finally:
        # Never recursively: within `root` lie the machine's own folders, mounted.
        if boxed:
            isolate.take_down_view(root)
        for leave in (root.rmdir, (home / "control").unlink, home.rmdir):
            with contextlib.suppress(OSError):
                leave()


def _warm_up() -> None:
    """Import what a box may need; nothing that starts a thread, and no CUDA."""
    os.environ.setdefault("MPLBACKEND", "agg")
    import matplotlib.pyplot
    import numpy
    import scipy.ndimage
    import torch
    import torchvision

    import coursekit.data
    import coursekit.exercises
    import coursekit.figures
    import coursekit.losses
    import coursekit.metrics
    import coursekit.models
    import coursekit.ops
    import coursekit.training
    from coursekit.grading.box import forbid, runner

    forbid.list_functions()
    del matplotlib, numpy, scipy, torchvision, coursekit, runner
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()


class _Server:
    """Forks boxes for its clients; a client that is gone takes its boxes with it."""

    def __init__(self, door: socket.socket, view: "View", root: Path, boxed: bool) -> None:
        self.door, self.view, self.root, self.boxed = door, view, root, boxed
        self.clients: dict[socket.socket, set[int]] = {}
        self.ended: dict[int, int] = {}
        self.count = 0

    def serve(self) -> None:
        while True:
            ready, _, _ = select.select([sys.stdin, self.door, *self.clients], [], [], 1.0)
            self._reap()
            if sys.stdin in ready:
                return  # nobody writes there: this is the end of who started the server
            if self.door in ready:
                self.clients[self.door.accept()[0]] = set()
            for client in [c for c in self.clients if c in ready]:
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        from coursekit.grading.box import isolate

        try:
            request, channels = _receive(client)
        except OSError:
            request, channels = None, []
        if request is None:
            for child in self.clients.pop(client):
                self._end(child)
            client.close()
            return
        if request["do"] == "box":
            child = self._fork(channels[0])
            os.close(channels[0])
            self.clients[client].add(child)
            reply: dict[str, Any] = {"process": child, "outside": isolate.as_seen_outside(child)}
        else:
            child = int(request["process"])
            known = child in self.clients[client]
            self.clients[client].discard(child)
            reply = {"status": self._end(child) if known else None}
        with contextlib.suppress(OSError):
            client.send(json.dumps(reply).encode())

    def _fork(self, descriptor: int) -> int:
        from coursekit.grading.box import isolate, runner

        self.count += 1
        if self.boxed:
            isolate.next_child_in_own_processes()
        child = os.fork()
        if child:
            return child
        try:
            for sock in (self.door, *self.clients):
                sock.close()
            if self.boxed:
                isolate.shut_in(self.view, self.root, isolate.Limits(), _FIRST_USER + self.count % _USERS)
            else:
                ctypes.CDLL(None).prctl(1, signal.SIGKILL)
            runner.start(socket.socket(fileno=descriptor))
        finally:
            os._exit(0)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                child, status = os.waitpid(-1, os.WNOHANG)
                if not child:
                    return
                self.ended[child] = os.waitstatus_to_exitcode(status)

    def _end(self, child: int) -> int | None:
        self._reap()
        if child in self.ended:
            return self.ended.pop(child)
        code = -signal.SIGKILL
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)  # one that is about to end by itself keeps its exit code
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return None if code == -signal.SIGKILL else code


def _receive(client: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    data, ancillary, _, _ = client.recvmsg(_LONGEST, socket.CMSG_SPACE(4))
    channels = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            channels.frombytes(content[: len(content) - len(content) % channels.itemsize])
    return (json.loads(data) if data else None), list(channels)


if __name__ == "__main__":
    main(sys.argv[1] == "boxed")
