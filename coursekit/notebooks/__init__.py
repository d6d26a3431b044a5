"""The authors' tools for notebooks.

lectures.py     run a lecture, store its outputs and what the run cost
card.py         the card at a lecture's top: minutes to read, seconds to run, memory
slides.py       a lecture as slides that need no network
assignments.py  generate the assignments from the solutions
files.py        notebook files that change only when their content does
"""

from coursekit.notebooks.assignments import release
from coursekit.notebooks.card import Card, yardstick
from coursekit.notebooks.files import quiet_notebook, write
from coursekit.notebooks.lectures import run
from coursekit.notebooks.slides import slides

__all__ = ["Card", "quiet_notebook", "release", "run", "slides", "write", "yardstick"]
