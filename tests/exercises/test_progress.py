"""What a student sees while a check takes long: in a real kernel, in a terminal, and where neither is."""

import os
import pty
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

SLOW = """
import time, torch
from coursekit.exercises import check
def nearest_unpool(x, scale):
    time.sleep(1.2)
    return x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
check("nearest_unpool", nearest_unpool)
"""


@pytest.mark.slow
def test_in_a_notebook_a_line_comes_and_vanishes():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SLOW)])
    seen = []
    client = NotebookClient(notebook, kernel_name="python3", timeout=120)
    original = client.process_message

    def listening(message, cell, index):
        if message["msg_type"] in ("display_data", "update_display_data"):
            seen.append(message["content"]["data"].get("text/plain", ""))
        return original(message, cell, index)

    client.process_message = listening
    client.execute()
    assert any(
        "nearest_unpool: check 2 of 3, “Any batch, channels, height, width and scale”, " in text for text in seen
    )
    line, table, score = notebook.cells[0].outputs
    assert line["data"] == {"text/plain": "", "text/html": ""}
    assert "2 of 2 points" in table["data"]["text/plain"]
    assert (score["output_type"], score["data"]["text/plain"]) == ("execute_result", "2.0")


@pytest.mark.slow
def test_in_a_terminal_a_line_comes_and_vanishes():
    mine, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", SLOW], stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(mine):
            shown += chunk
        assert process.stderr.read() == b""
    text = shown.decode()
    assert "\rnearest_unpool: check 2 of 3" in text
    assert "\r\x1b[K" in text[text.index("check 2") :]


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side has closed
        return b""


def test_elsewhere_nothing_is_shown():
    done = subprocess.run(
        [sys.executable, "-c", SLOW.replace("1.2", "0.6")], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "check 2" not in done.stdout
    assert "2 of 2 points" in done.stdout
