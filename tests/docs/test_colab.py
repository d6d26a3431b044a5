"""The badges of Colab open every notebook, and what they have one install is what the notebooks need beyond Colab."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
HOME = PROJECT["urls"]["Documentation"].removeprefix("https://github.com/").removesuffix("#readme")
NOTEBOOKS = {
    "lectures": sorted((ROOT / "lectures").glob("*.ipynb")),
    "assignments": sorted((ROOT / "assignments").glob("*/*.ipynb")),
}
# Of the course's dependencies, what Colab listed as installed in June 2026.
COLAB_HAS = {
    *("accelerate", "anywidget", "filelock", "ipywidgets", "matplotlib", "numpy", "pillow", "pooch", "pytest"),
    *("requests", "rich", "safetensors", "scipy", "torch", "torchvision", "tqdm", "typer"),
}
WITHOUT = """
import sys
sys.modules |= dict.fromkeys({missing})
from coursekit import data, exercises, figures, losses, metrics, models, ops, training
from coursekit.exercises import check
"""


def test_every_notebook_has_its_badge():
    for page, files in NOTEBOOKS.items():
        text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
        opened = re.findall(r"\]\(https://colab\.research\.google\.com/github/([^)]+)\)", text)
        assert opened == [f"{HOME}/blob/main/{file.relative_to(ROOT).as_posix()}" for file in files]


def test_what_is_not_installed_there_is_not_needed():
    lines = [(ROOT / "docs" / page).read_text("utf-8") for page in ("lectures.md", "guides/student.md")]
    (line,) = {found for text in lines for found in re.findall(r"^%pip install .*$", text, re.MULTILINE)}
    assert line.endswith(f"git+https://github.com/{HOME}")
    names = {re.split(r"[\[>=]", dependency)[0] for dependency in PROJECT["dependencies"]}
    missing = names - COLAB_HAS - set(line.split())
    assert missing == {"jupyterlab", "nbgrader", "nbval"}
    subprocess.run([sys.executable, "-c", WITHOUT.format(missing=sorted(missing))], check=True)
