"""A lecture as slides (reveal.js) that need no network: everything they load lies beside them.

`make slides` puts reveal.js and MathJax, two packages of npm, into the folder's `assets`, and the slides beside it.
"""

from pathlib import Path

import nbformat
from nbconvert import SlidesExporter

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = (
    "reveal/dist/reveal.css",
    "reveal/dist/reveal.js",
    "reveal/dist/theme/white.css",
    "reveal/plugin/notes/notes.js",
    "mathjax/tex-svg.js",
)


def slides(file: Path, folder: Path) -> Path:
    """Write a notebook's slides, as it stands with its stored outputs, to `folder`/NAME.html.

    Raises:
        FileNotFoundError: there is no such notebook, or `folder`/assets lacks what slides load.
    """
    missing = [name for name in ASSETS if not (folder / "assets" / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder / 'assets'} lacks {', '.join(missing)}; `make slides` puts them there")
    exporter = SlidesExporter(
        extra_template_basedirs=[str(TEMPLATES)],
        template_name="course_slides",
        reveal_url_prefix="assets/reveal",
        reveal_theme="white",
    )
    html, _ = exporter.from_notebook_node(nbformat.read(file, as_version=4), {"metadata": {"name": file.stem}})
    html = html.replace('href="../docs/glossary.md', 'href="../docs/glossary.html')  # a page of the site
    target = folder / f"{file.stem}.html"
    beside = target.with_name(target.name + ".part")
    beside.write_text(html, encoding="utf-8")
    return beside.replace(target)
