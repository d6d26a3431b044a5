"""What is seen of a run: plain lines, a bar where there is a terminal, one live output in a notebook, TensorBoard."""

import contextlib
import os
import re
import subprocess
import sys

import pytest
import torch
from jupyter_client.manager import start_new_kernel
from torch import nn
from torch.utils.data import TensorDataset

from coursekit import training
from coursekit.training import progress


def run(**options):
    images = torch.rand(8, 3, 8, 8)
    data = TensorDataset(images, (images.mean(dim=1) > 0.5).long())
    return training.fit(nn.Conv2d(3, 2, 1), data, data, epochs=2, batch_size=2, **options)


def test_a_line_an_epoch_where_there_is_no_terminal(capsys):
    history = run()
    shown = capsys.readouterr()
    assert shown.out == f"{history}\n"
    assert shown.err == ""


IN_A_TERMINAL = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
from coursekit import training
data = TensorDataset(torch.rand(8, 3, 8, 8), torch.zeros(8, 8, 8, dtype=torch.int64))
training.fit(nn.Conv2d(3, 2, 1), data, data, epochs=2, batch_size=2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("size", [(24, 80), (0, 0)], ids=["as usual", "of unknown size"])
def test_a_bar_in_a_terminal(size):
    """In a real one; one that does not know its size is what `script` and `docker exec` give."""
    pty = pytest.importorskip("pty", reason="a pseudo-terminal needs Unix")
    termios = pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size)
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_TERMINAL], stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # what the end of a terminal is on Linux
        while read := os.read(ours, 4096):
            shown += read
    os.close(ours)
    assert process.wait() == 0, shown.decode()
    bars = re.findall(r"\d/8 \[.*, loss \d\.\d{3}\]", shown.decode().replace("\r", "\n"))
    lines = re.findall(r"^epoch (\d), loss .* s$", shown.decode().replace("\r", "\n"), flags=re.MULTILINE)
    assert bars[-1].startswith("8/8")
    assert lines == ["1", "2"]


def test_nothing_where_nothing_is_wanted(capsys):
    run(progress=False)
    assert capsys.readouterr() == ("", "")


def test_the_bar_of_a_run_that_goes_on_begins_where_it_stands(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    terminal = progress.Terminal()
    terminal.batch(5, 8, 0.7)
    assert (terminal.bar.initial, terminal.bar.n, terminal.bar.total) == (4, 5, 8)
    terminal.close(training.History())


CELL = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
from coursekit import training
images = torch.rand(8, 3, 8, 8)
data = TensorDataset(images, (images.mean(dim=1) > 0.5).long())
history = training.fit(nn.Conv2d(3, 2, 1), data, data, epochs=3, batch_size=2)
history
"""


@pytest.mark.slow
def test_a_notebook_has_one_output_that_is_replaced():
    manager, client = start_new_kernel(kernel_name="python3")
    messages, later = [], []
    try:
        client.execute_interactive(CELL, timeout=300, output_hook=messages.append)
        client.execute_interactive("history", timeout=60, output_hook=later.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    kinds = [message["msg_type"] for message in messages]
    assert [kind for kind in kinds if kind != "update_display_data"].count("display_data") == 1
    assert not {"stream", "error"} & set(kinds)
    shown = [message["content"] for message in messages if message["msg_type"].endswith("display_data")]
    assert len({each["transient"]["display_id"] for each in shown}) == 1
    assert len(shown) >= 4
    live, last = shown[-2]["data"], shown[-1]
    assert "<progress" in live["text/html"]
    assert 'alt="Curves over' in live["text/html"]
    assert last["data"]["image/png"]
    assert last["metadata"]["image/png"]["alt"].startswith("Curves over 3 epochs: training loss from")
    assert last["data"]["text/plain"].startswith("epoch 1, loss")
    (result,) = (message["content"]["data"] for message in messages if message["msg_type"] == "execute_result")
    assert set(result) == {"text/plain"}  # the plot is there already
    (result,) = (message["content"]["data"] for message in later if message["msg_type"] == "execute_result")
    assert "image/png" in result


def test_tensorboard_reads_what_was_written(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    history = run(folder=tmp_path, tensorboard=True, progress=False)
    log = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    log.Reload()
    assert {"loss", "mean_iou", "pixel_accuracy"} <= set(log.Tags()["scalars"])
    assert [event.step for event in log.Scalars("loss")] == [1, 2]
    assert [event.value for event in log.Scalars("loss")] == pytest.approx([e.loss for e in history.epochs])


def test_tensorboard_that_is_not_installed_is_said_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install tensorboard"):
        run(folder=tmp_path, tensorboard=True)
    with pytest.raises(ValueError, match="give a folder too"):
        run(tensorboard=True)
