"""Warm kernels, through Jupyter's own client: they behave like fresh ones."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel
from jupyter_client.provisioning import KernelProvisionerFactory

import coursekit
from coursekit.grading.kernels import provisioner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="warm kernels need Linux"),
]


@pytest.fixture(scope="module", autouse=True)
def warm():
    """As JUPYTER_DEFAULT_PROVISIONER_NAME does, which Jupyter reads once: another test may have started a kernel."""
    factory = KernelProvisionerFactory.instance()
    before, factory.default_provisioner_name = factory.default_provisioner_name, "coursekit-warm"
    yield
    factory.default_provisioner_name = before
    provisioner._warm.stop()


class Kernel:
    def __init__(self):
        self.manager, self.client = start_new_kernel(kernel_name="python3")

    def run(self, source, timeout=60):
        """What a cell shows: texts of its outputs by kind."""
        shown = []

        def see(message):
            content = message["content"]
            if message["msg_type"] in ("display_data", "execute_result"):
                shown.append(("data", sorted(content["data"]), content["data"]["text/plain"]))
            elif message["msg_type"] in ("stream", "error"):
                shown.append((message["msg_type"], content.get("text") or content["ename"]))

        self.client.execute_interactive(source, output_hook=see, timeout=timeout)
        return shown

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel():
    made = Kernel()
    yield made
    made.close()


def test_it_comes_from_the_warm_process(kernel):
    assert isinstance(kernel.manager.provisioner, provisioner.WarmProvisioner)
    (_, parent), *_ = kernel.run("import os; print(os.getppid())")
    assert int(parent) == provisioner._warm.process.pid


def test_its_namespace_and_its_random_numbers_are_its_own(kernel):
    other = Kernel()
    draw = "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1).item())"
    first, second = kernel.run(draw)[0][1], other.run(draw)[0][1]
    assert not set(first.split()) & set(second.split())
    kernel.run("mine = 1")
    assert other.run("mine") == [("error", "NameError")]
    other.close()


def test_plots_carry_their_picture(kernel):
    shown = kernel.run("import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")
    assert any("image/png" in kinds for _, kinds, _ in shown)


def test_torch_works_after_the_fork(kernel):
    source = (
        "import torch\nfrom torch.utils.data import DataLoader\n"
        "w = torch.randn(300, 300, requires_grad=True)\n(w @ w).sum().backward()\n"
        "print(w.grad.shape, sum(b.sum().item() for b in DataLoader(list(range(8)), 2, num_workers=2)))"
    )
    assert kernel.run(source) == [("stream", "torch.Size([300, 300]) 28\n")]


def test_it_can_be_interrupted_and_restarted(kernel):
    kernel.run("kept = 1")
    kernel.client.execute("while True: pass")
    time.sleep(0.5)
    kernel.manager.interrupt_kernel()
    assert kernel.client.get_shell_msg(timeout=30)["content"]["ename"] == "KeyboardInterrupt"
    time.sleep(0.5)  # what was sent before the interrupt was noticed is dropped
    assert kernel.run("print(kept)")[-1] == ("stream", "1\n")
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    assert kernel.run("kept") == [("error", "NameError")]


def test_its_end_is_noticed(kernel):
    kernel.client.execute("import os; os._exit(3)")
    deadline = time.monotonic() + 20
    while kernel.manager.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not kernel.manager.is_alive()


def test_changed_course_code_is_not_served_stale(kernel):
    before = provisioner._warm.process.pid
    file = Path(coursekit.__file__)
    os.utime(file)
    other = Kernel()
    assert provisioner._warm.process.pid != before
    other.close()


def test_one_warm_process_serves_others_that_are_started_later(monkeypatch):
    monkeypatch.setattr(provisioner, "_warm", provisioner._Warm())
    monkeypatch.setenv(provisioner.SHARED, "")  # to be restored
    provisioner.share()
    ask = (
        "from jupyter_client.manager import start_new_kernel\n"
        "manager, client = start_new_kernel(kernel_name='python3')\n"
        "client.execute_interactive('import os; print(os.getppid())')\n"
        "client.stop_channels(); manager.shutdown_kernel(now=True)\n"
    )
    environment = {**os.environ, "JUPYTER_DEFAULT_PROVISIONER_NAME": "coursekit-warm"}

    def parent():
        run = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, env=environment, check=True)
        return int(run.stdout)

    first = provisioner._warm.process.pid
    assert parent() == first
    assert parent() == first
    provisioner._warm.process.kill()
    provisioner._warm.process.wait()
    assert parent() != first  # one of its own
    provisioner._warm.stop()


def test_a_warm_process_that_cannot_start_is_said(monkeypatch):
    warm = provisioner._Warm()
    monkeypatch.setattr(provisioner, "_warm", warm)
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    request = {"arguments": [], "environment": {}, "folder": "."}
    with pytest.raises(RuntimeError, match="begun twice"):
        provisioner._ask_for_kernel(request)


def test_kernels_do_not_outlive_who_started_them():
    source = (
        "import os, time\nfrom jupyter_client.manager import start_new_kernel\n"
        "manager, client = start_new_kernel(kernel_name='python3')\n"
        "print(manager.provisioner.pid, flush=True)\ntime.sleep(600)\n"
    )
    environment = {**os.environ, "JUPYTER_DEFAULT_PROVISIONER_NAME": "coursekit-warm"}
    starter = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, env=environment)
    kernel = int(starter.stdout.readline())
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{kernel}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{kernel}").exists()


def test_other_kernels_start_as_they_always_do():
    ours = [sys.executable, "-m", "ipykernel_launcher", "-f", "connection.json"]
    made = provisioner.WarmProvisioner()
    assert made._is_ours(ours)
    assert not made._is_ours(["R", "--slave"])
    assert not made._is_ours([sys.executable, "-m", "bash_kernel", "-f", "connection.json"])
