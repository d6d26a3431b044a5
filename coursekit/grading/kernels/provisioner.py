"""Has Jupyter fork its kernels from the warm process. Linux only; elsewhere kernels start as they always do."""

import asyncio
import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner


class _Warm:
    """The warm process of this one, started for the first kernel and again when course code has changed."""

    process: subprocess.Popen[str] | None = None
    address = ""

    def connect(self) -> socket.socket:
        if self.process is None or self.process.poll() is not None:
            self.start()
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(self.address)
        return client

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coursekit.grading.kernels.server"],
            stdin=subprocess.PIPE,  # its end is the end of the server and its kernels
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the warm process for kernels did not start")
        self.address = json.loads(line)["address"]

    def stop(self) -> None:
        if self.process and self.process.stdin:
            self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5)
            self.process.kill()
        self.process = None


_warm = _Warm()
atexit.register(_warm.stop)


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
        client = _warm.connect()
        socket.send_fds(client, [json.dumps(request).encode()], [1, 2])
        answer = json.loads(client.recv(1000))
        if "process" in answer:
            return client, answer["process"]
        client.close()
        _warm.stop()  # the course's code has changed since it was imported there
    raise RuntimeError("the course's files change while kernels are started from them")
