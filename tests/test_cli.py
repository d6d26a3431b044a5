"""The command: quick to start, its tables in step with the documents."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coursekit.cli import app

ROOT = Path(__file__).parents[1]


def invoke(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, coursekit; sys.exit(bool({'torch', 'numpy', 'matplotlib', 'nbgrader'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_imports_nothing_heavy():
    code = "import sys, coursekit.cli; sys.exit(bool({'torch', 'numpy', 'matplotlib', 'nbgrader'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_table_of_models_is_in_step_with_the_documents():
    table = invoke("models", "--markdown").strip()
    assert table in (ROOT / "docs" / "models.md").read_text(), "run `coursekit models --markdown`"
    assert "| FCN-32s | 134,346,581 | 134M | 404 | 32 |" in table


def test_data_list_shows_every_set(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSEKIT_DATA", str(tmp_path))
    shown = invoke("data", "list")
    for name in ("camvid", "isbi2012", "nuclei", "pennfudan", "coco", "kitti_road"):
        assert name in shown


@pytest.mark.parametrize("command", ["check", "data", "demo", "doctor", "exercise", "models", "notebooks", "results"])
def test_every_command_explains_itself(command):
    assert command in invoke("--help")
    assert len(invoke(command, "--help")) > 100
