"""The warm process: imports once what the course's notebooks import, then forks a kernel for each request."""

import array
import contextlib
import ctypes
import gc
import json
import os
import random
import select
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NamedTuple

import coursekit

_LONGEST = 2**18


def main(door: socket.socket) -> None:
    """Answer who knocks, until standard input ends."""
    try:
        versions = _versions()  # first, so that a file which changes while it is imported counts as changed
        _warm_up()
        _serve(door, versions)
    finally:
        shutil.rmtree(Path(door.getsockname()).parent, ignore_errors=True)


def _versions() -> dict[str, int]:
    """When each file of the package was last changed."""
    return {str(file): file.stat().st_mtime_ns for file in Path(coursekit.__file__).parent.rglob("*.py")}


def import_all() -> None:
    """Import what notebooks import; nothing that starts a thread, and no CUDA."""
    import anywidget
    import ipykernel.kernelapp
    import ipykernel.zmqshell
    import IPython.core.completerlib
    import ipywidgets
    import matplotlib.pyplot
    import scipy.ndimage
    import torchvision.transforms.v2

    import coursekit.cli
    import coursekit.data
    import coursekit.figures
    import coursekit.losses
    import coursekit.metrics
    import coursekit.models
    import coursekit.ops
    import coursekit.results
    import coursekit.training
    from coursekit.exercises import ASSIGNMENTS, load

    for name in ASSIGNMENTS:
        load(name)
    del anywidget, ipykernel, ipywidgets, IPython, matplotlib, scipy, torchvision, coursekit


def _warm_up() -> None:
    """Import all, and leave it as a fork should find it."""
    import torch

    import_all()
    # It ties itself to the shell that it finds when it is imported: each kernel shall import it anew.
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib_inline"]:
        del sys.modules[name]
    torch.set_num_threads(torch.get_num_threads())  # before the fork: a kernel must not ask OpenMP again
    gc.collect()
    gc.freeze()


def _serve(door: socket.socket, versions: dict[str, int]) -> None:
    """Each connection is one kernel: when its client hangs up, the kernel ends; when the kernel ends, it is told so."""
    kernels: dict[socket.socket, _Kernel] = {}
    while True:
        ends = {kernel.end: client for client, kernel in kernels.items()}
        ready, _, _ = select.select([sys.stdin, door, *kernels, *ends], [], [])
        for client in [ends[end] for end in ready if end in ends]:
            _, status = os.waitpid(kernels[client].process, 0)
            with contextlib.suppress(OSError):
                client.send(json.dumps({"code": os.waitstatus_to_exitcode(status)}).encode())
            _forget(client, kernels)
        if sys.stdin in ready:
            break
        for client in [client for client in kernels if client in ready]:
            _kill(kernels[client].process)
            os.waitpid(kernels[client].process, 0)
            _forget(client, kernels)
        if door in ready:
            client, _ = door.accept()
            request, descriptors = _receive(client)
            if request and _versions() == versions:
                process = _fork(json.loads(request), descriptors, client, (door, *kernels))
                kernels[client] = _Kernel(process, os.pidfd_open(process))
            else:  # who asked has gone, or shall ask a process that knows the course's code as it is now
                client.close()
            for descriptor in descriptors:
                os.close(descriptor)
    for kernel in kernels.values():
        _kill(kernel.process)


class _Kernel(NamedTuple):
    process: int
    end: int
    """A descriptor that is ready to be read when the process has ended."""


def _forget(client: socket.socket, kernels: dict[socket.socket, _Kernel]) -> None:
    os.close(kernels.pop(client).end)
    client.close()


def _receive(client: socket.socket) -> tuple[bytes, list[int]]:
    data, ancillary, _, _ = client.recvmsg(_LONGEST, socket.CMSG_SPACE(8))
    descriptors = array.array("i")
    for _, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content)
    return data, list(descriptors)


def _fork(
    request: dict[str, Any], descriptors: list[int], client: socket.socket, others: tuple[socket.socket, ...]
) -> int:
    """The kernel's process, which tells its client so as soon as it listens: who asks it before then waits longer."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a kernel does not outlive the warm process
        for sock in others:
            sock.close()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate([nothing, *descriptors]):
            os.dup2(descriptor, number)
        os.environ.clear()
        os.environ.update(request["environment"], COURSEKIT_IMPORTED="0")  # seconds that imports took of its own
        os.chdir(request["folder"])
        sys.argv = [*request["arguments"], f"--IPKernelApp.parent_handle={os.getppid()}"]
        _as_if_fresh(request["folder"])
        code = _run_kernel(client)
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


def _run_kernel(client: socket.socket) -> int:
    from ipykernel.kernelapp import IPKernelApp

    kernel = IPKernelApp.instance()
    kernel.initialize()
    client.send(json.dumps({"process": os.getpid()}).encode())
    client.close()
    kernel.start()
    return 0


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
