"""Has Jupyter fork its kernels from the warm process. Linux only; elsewhere kernels start as they always do."""

import asyncio
import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

SHARED = "COURSEKIT_WARM_KERNELS"
"""Names, in the environment, where another process shares its warm one."""


class _Warm:
    """The warm process: a shared one, or one's own, started when it is first asked and when course code has changed."""

    process: subprocess.Popen[bytes] | None = None

    def __init__(self) -> None:
        self.address = os.environ.get(SHARED, "")

    def connect(self) -> socket.socket:
        """A connection, answered once the process is warm; FileNotFoundError or ConnectionError where it is gone."""
        if not self.address:
            self.start()
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(self.address)
        return client

    def start(self) -> None:
        """The process gets its door from here, where one can knock before it is warm."""
        self.address = str(Path(tempfile.mkdtemp(prefix="coursekit-kernels-"), "control"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(self.address)
            door.listen()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "coursekit.grading.kernels.server", str(door.fileno())],
                stdin=subprocess.PIPE,  # its end is the end of the server and its kernels
                stdout=subprocess.DEVNULL,
                pass_fds=[door.fileno()],
                start_new_session=True,
            )

    def stop(self) -> None:
        if self.process and self.process.stdin:
            self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5)
            self.process.kill()
            shutil.rmtree(Path(self.address).parent, ignore_errors=True)  # if it was killed before it could
        self.process, self.address = None, ""


_warm = _Warm()
atexit.register(_warm.stop)


def share() -> None:
    """Start the warm process, without waiting for it, for this process and for all that it starts from now on."""
    _warm.start()
    os.environ[SHARED] = _warm.address


class WarmProvisioner(LocalProvisioner):
    """A kernel that is ready in a fraction of a second, once the warm process is there."""

    _client: socket.socket | None = None
    _code: int | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        if not self._is_ours(cmd):
            return await super().launch_kernel(cmd, **kwargs)
        arguments = cmd[cmd.index("-m") + 1 :]
        request = {
            "arguments": arguments,
            "environment": dict(kwargs.get("env") or os.environ),
            "folder": str(kwargs.get("cwd") or Path.cwd()),
        }
        loop = asyncio.get_running_loop()
        self._client, self.pid = await loop.run_in_executor(None, _ask_for_kernel, request)
        self.pgid, self._code = self.pid, None
        return self.connection_info

    def _is_ours(self, cmd: list[str]) -> bool:
        """Whether the command is an IPython kernel of this very Python, on a system that can fork one."""
        if sys.platform != "linux":
            self.log.warning("warm kernels need Linux; this kernel starts as usual")
            return False
        same = Path(cmd[0]).name.startswith("python") and _is_this_python(cmd[0])
        return same and cmd[1:2] == ["-m"] and cmd[2] == "ipykernel_launcher"

    @property
    def has_process(self) -> bool:
        return super().has_process or self._client is not None

    async def poll(self) -> int | None:
        if self._client is None:
            return await super().poll() if self._code is None else self._code
        self._client.setblocking(False)
        try:
            said = self._client.recv(1000)
        except BlockingIOError:
            return None
        except OSError:
            said = b""
        self._code = json.loads(said)["code"] if said else -signal.SIGKILL
        self._client.close()
        self._client = None
        return self._code

    async def wait(self) -> int | None:
        if self._client is None:
            return await super().wait() if self._code is None else self._code
        while await self.poll() is None:
            await asyncio.sleep(0.02)
        return self._code

    async def send_signal(self, signum: int) -> None:
        if self._client is None:
            await super().send_signal(signum)
            return
        assert self.pid
        tell = os.kill if signum == signal.SIGINT else os.killpg  # an interrupt is for the kernel, not for its children
        with contextlib.suppress(ProcessLookupError):
            tell(self.pid, signum)

    async def kill(self, restart: bool = False) -> None:
        if self._client is None:
            await super().kill(restart)
        else:
            await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        if self._client is None:
            await super().terminate(restart)
        else:
            await self.send_signal(signal.SIGTERM)


def _is_this_python(command: str) -> bool:
    return os.path.realpath(command) == os.path.realpath(sys.executable)


def _ask_for_kernel(request: dict[str, Any]) -> tuple[socket.socket, int]:
    for _ in range(2):
        with contextlib.suppress(FileNotFoundError, ConnectionError):  # it is gone, or could not start
            client = _warm.connect()
            socket.send_fds(client, [json.dumps(request).encode()], [1, 2])
            answer = json.loads(client.recv(1000) or "{}")
            if "process" in answer:
                return client, answer["process"]
            client.close()
        _warm.stop()  # the course's code may have changed since it was imported there
    raise RuntimeError(
        "no kernel came of the warm process, begun twice: it does not start, or the course's files change"
    )
