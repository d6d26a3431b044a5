"""The site: lectures, assignments, guides and the library's reference, built by `make site` without a network.

Sphinx reads the whole repository (`-c docs .`), so that a link that works between files works between pages.
"""

import json
import re
import sys
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from textwrap import indent

from docutils import nodes

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from coursekit import __version__  # noqa: E402

project = "Image segmentation, hands on"
author = "The coursekit authors"
project_copyright = f"{author}. MIT licence."
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
root_doc = "docs/index"
include_patterns = ["docs/**", "lectures/*.ipynb", "assignments/*/*.ipynb", "*.md", "tests/bench/RESULTS.md"]
exclude_patterns = [
    ".*",
    "coursekit",
    "site",
    "grading",
    "jupyter_execute",
    "runs",
    "build",
    "dist",
    "solutions",
    "shared",
]

nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "substitution"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a notebook's headings may begin below the first level

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
default_role = "code"

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sourcelink = False
html_additional_pages = {"index": "to_the_first_page.html"}
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
mathjax_path = "../slides/assets/mathjax/tex-svg.js"  # which `make slides` put there

LECTURES = sorted((ROOT / "lectures").glob("*.ipynb"))


def _title(file: Path) -> str:
    """The first heading of a notebook."""
    text = "\n".join("".join(cell["source"]) for cell in json.loads(file.read_text("utf-8"))["cells"])
    return next(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))


myst_substitutions = {
    "slides": "\n".join(f'- <a href="../slides/{file.stem}.html">{_title(file)}</a>' for file in LECTURES),
    "class_report": '<iframe class="page" title="The class report" src="../_static/class-report.html"></iframe>',
}


def describe_pictures(app, doctree):
    """Give a notebook's pictures the alternative texts that lie in their outputs' metadata.

    MyST-NB names a picture by the SHA-256 of its bytes, and looks for the text elsewhere.
    """
    file = Path(app.env.doc2path(app.env.docname))
    if file.suffix != ".ipynb":
        return
    cells = json.loads(file.read_text("utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    said = {
        sha256(b64decode(output["data"]["image/png"])).hexdigest(): output["metadata"].get("image/png", {}).get("alt")
        for output in outputs
    }
    for picture in doctree.findall(nodes.image):
        if text := said.get(Path(picture["uri"]).stem):
            picture["alt"] = text


def name_terms(app, doctree):
    """Let lectures link to the glossary's rows: their anchors are HTML, which GitHub reads too and Sphinx does not."""
    if app.env.docname == "docs/glossary":
        anchors = re.findall(r'<a id="([^"]+)">', (ROOT / "docs/glossary.md").read_text("utf-8"))
        slugs = app.env.metadata["docs/glossary"].setdefault("myst_slugs", {})
        slugs |= {anchor: (0, anchor, anchor) for anchor in anchors}


def keep_columns(app, what, name, obj, options, lines):
    """A package's docstring may list its files in columns aligned by hand: show those as they stand."""
    if what != "module":
        return
    lines[:] = "\n\n".join(map(_as_it_stands, "\n".join(lines).split("\n\n"))).split("\n")


def _as_it_stands(block):
    in_columns = re.search(r"\S {3,}\S", block)
    return ".. code-block:: text\n\n" + indent(block, "   ") if in_columns else block


def setup(app):
    app.connect("doctree-read", describe_pictures)
    app.connect("doctree-read", name_terms)
    app.connect("autodoc-process-docstring", keep_columns)
