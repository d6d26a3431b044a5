"""The documents promise nothing that does not exist: commands, options, files, make's targets; one version, one log."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from typer.main import get_command

from coursekit import __version__
from coursekit.cli import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "coursekit" / "new_course.md"]
each_document = pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))


def called(text, program):
    """The words after each call of a program, in blocks and between backticks, without comments."""
    lines = [line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in lines:
        if found := re.match(rf"\s*(?:\.venv[/\\]\w+[/\\])?{program}\s+(.*)", line.split(" #")[0].split("   ")[0]):
            yield found[1].split()


@each_document
def test_every_command_exists_with_its_options(file):
    for words in called(file.read_text("utf-8"), "coursekit"):
        command = get_command(app)
        while words and hasattr(command, "commands") and not words[0].startswith(("-", "[")):
            assert words[0] in command.commands, words
            command = command.commands[words.pop(0)]
        options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        used = {word.strip("[]").split("=")[0] for word in words if word.startswith(("--", "[--"))}
        assert used <= options, (command.name, used)


@each_document
def test_every_target_of_make_exists(file):
    targets = set(re.findall(r"^([\w]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for line in (ROOT / "Makefile").read_text("utf-8").splitlines():
        targets |= set(line.split(":")[0].split()) if re.match(r"[\w ]+:(?!=)", line) else set()
    named = {words[0] for words in called(file.read_text("utf-8"), "make") if re.fullmatch(r"[a-z]+", words[0])}
    assert named <= targets


@each_document
def test_every_link_to_a_file_leads_to_one(file):
    text = re.sub(r"```.*?```", "", file.read_text("utf-8"), flags=re.DOTALL)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert not [link for link in links if link and not (file.parent / link).exists()]


@each_document
def test_every_file_of_the_repository_that_is_named_is_there(file):
    named = re.findall(
        r"`((?:coursekit|tests|docs|lectures|assignments|solutions)/[\w./]+\.\w+)`", file.read_text("utf-8")
    )
    invented = {"crop", "NAME", "NN_topic", "borders", "aNN_topic"}  # of an exercise that the reader writes
    assert not [name for name in named if not any(part in name for part in invented) and not (ROOT / name).exists()]


def test_the_exporters_that_the_instructor_names_exist():
    from coursekit.grading import exporters

    text = (ROOT / "docs/guides/instructor.md").read_text("utf-8")
    named = re.findall(r"coursekit\.grading\.exporters\.(\w+)", text)
    assert len(named) == 2
    assert all(hasattr(exporters, name) for name in named)


def test_the_log_of_changes_begins_with_this_version():
    assert re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)[0] == __version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["dynamic"] == ["version"]


def test_the_known_good_versions_keep_the_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line)
    known = {normal(name): Version(version) for name, version in (line.split("==") for line in lines)}
    wanted = [
        Requirement(text)
        for part in (project["dependencies"], *project["optional-dependencies"].values())
        for text in part
    ]
    for each in (each for each in wanted if each.name != "coursekit"):
        assert [bound.operator for bound in each.specifier] == [">="], each
        assert known[normal(each.name)] in each.specifier, each


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_workflow_covers_old_and_new_versions_and_three_systems():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]
    matrix = jobs["student"]["strategy"]["matrix"]["include"]
    assert {row["versions"] for row in matrix} == {"oldest", "known-good", "newest"}
    assert {row["os"].split("-")[0] for row in matrix} == {"ubuntu", "macos", "windows"}
    steps = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    files = {word for step in steps for word in step.split() if word.startswith(("tests/", ".ci/"))}
    assert len(files) == 2
    assert all((ROOT / name).is_file() for name in files)


@each_document
def test_every_row_of_a_table_has_its_columns(file):
    for table in re.findall(r"(?:^\|.*\|\n)+", file.read_text("utf-8"), re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", row))) for row in table.splitlines()}
        assert len(columns) == 1, table.splitlines()[0]
