"""The warm process: imports once what the course's notebooks import, then forks a kernel for each request."""

import array
import contextlib
import ctypes
import gc
import json
import os
import random
import select
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import coursekit

_LONGEST = 2**18


def main() -> None:
    """Say on standard output where to connect, then serve until standard input ends."""
    # First, so that a file which changes while it is imported counts as changed.
    versions = _versions()
    _warm_up()
    os.environ["COURSEKIT_WARM_SECONDS"] = f"{time.process_time():.2f}"  # what each kernel is spared
    home = Path(tempfile.mkdtemp(prefix="coursekit-kernels-"))
    address = home / "control"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(str(address))
            door.listen()
            print(json.dumps({"address": str(address)}), flush=True)
            _serve(door, versions)
    finally:
        address.unlink(missing_ok=True)
        home.rmdir()


def _versions() -> dict[str, int]:
    """When each file of the package was last changed."""
    return {str(file): file.stat().st_mtime_ns for file in Path(coursekit.__file__).parent.rglob("*.py")}


def _warm_up() -> None:
    """Import what notebooks import; nothing that starts a thread, and no CUDA."""
    import anywidget
    import ipykernel.kernelapp
    import ipykernel.zmqshell
    import IPython.core.completerlib
    import ipywidgets
    import matplotlib.pyplot
    import scipy.ndimage
    import torch
    import torchvision.transforms.v2

    import coursekit.cli
    import coursekit.data
    import coursekit.figures
    import coursekit.losses
    import coursekit.metrics
    import coursekit.models
    import coursekit.ops
    import coursekit.training
    from coursekit.exercises import ASSIGNMENTS, load

    for name in ASSIGNMENTS:
        load(name)
    # It ties itself to the shell that it finds when it is imported: each kernel shall import it anew.
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib_inline"]:
        del sys.modules[name]
    del anywidget, ipykernel, ipywidgets, IPython, matplotlib, scipy, torchvision, coursekit
    torch.set_num_threads(torch.get_num_threads())  # before the fork: a kernel must not ask OpenMP again
    gc.collect()
    gc.freeze()


def _serve(door: socket.socket, versions: dict[str, int]) -> None:
    """Each connection is one kernel: when its client hangs up, the kernel ends; when the kernel ends, it is told so."""
    kernels: dict[socket.socket, int] = {}
    while True:
        ready, _, _ = select.select([sys.stdin, door, *kernels], [], [], 0.2)
        for child, code in _ended():
            for client in [c for c, process in kernels.items() if process == child]:
                with contextlib.suppress(OSError):
                    client.send(json.dumps({"code": code}).encode())
                client.close()
                del kernels[client]
        if sys.stdin in ready:
            break
        for client in [c for c in kernels if c in ready]:
            _kill(kernels.pop(client))
            client.close()
        if door in ready:
            client, _ = door.accept()
            request, descriptors = _receive(client)
            if _versions() != versions:
                client.send(json.dumps({"stale": True}).encode())
                client.close()
            else:
                kernels[client] = _fork(request, descriptors, (door, client, *kernels))
                client.send(json.dumps({"process": kernels[client]}).encode())
            for descriptor in descriptors:
                os.close(descriptor)
    for process in kernels.values():
        _kill(process)


def _receive(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, ancillary, _, _ = client.recvmsg(_LONGEST, socket.CMSG_SPACE(8))
    descriptors = array.array("i")
    for _, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content)
    return json.loads(data), list(descriptors)


def _fork(request: dict[str, Any], descriptors: list[int], open_sockets: tuple[socket.socket, ...]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a kernel does not outlive the warm process
        for sock in open_sockets:
            sock.close()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate([nothing, *descriptors]):
            os.dup2(descriptor, number)
        spared = os.environ["COURSEKIT_WARM_SECONDS"]
        os.environ.clear()
        os.environ.update(request["environment"], COURSEKIT_WARM_SECONDS=spared)
        os.chdir(request["folder"])
        sys.argv = [*request["arguments"], f"--IPKernelApp.parent_handle={os.getppid()}"]
        _as_if_fresh(request["folder"])
        code = _run_kernel()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # without `atexit`: what the warm process has registered is not this one's to do


def _as_if_fresh(folder: str) -> None:
    """What a new process would have had: its own random numbers, its folder on the path, the plots of its notebook."""
    import matplotlib
    import matplotlib.pyplot as plt
    import numpy as np
    import torch

    random.seed()
    np.random.seed()  # noqa: NPY002
    torch.seed()
    sys.path.insert(0, folder)
    # Not by `matplotlib.use`, which would import the backend now: it looks for the shell of its kernel when imported.
    backend = os.environ.get("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    dict.__setitem__(matplotlib.rcParams, "backend", backend)
    plt._backend_mod = None


def _run_kernel() -> int:
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
    return 0


def _ended() -> list[tuple[int, int]]:
    found = []
    with contextlib.suppress(ChildProcessError):
        while True:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                break
            found.append((child, os.waitstatus_to_exitcode(status)))
    return found


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
