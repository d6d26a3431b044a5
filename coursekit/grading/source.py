"""What the source of a notebook's cell shows without running it: its names, and habits that only work at home."""

import ast
import builtins
import re
import symtable
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from IPython.core.inputtransformer2 import TransformerManager

_GIVEN = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "_", "__", "___"}
_BODY_IS_PYTHON = re.compile(r"\s*%%(time|timeit|capture|prun)\b[^\n]*\n")
_HIDES_NAMES = {"exec", "eval", "globals", "locals", "vars"}
_FOREIGN_PATH = re.compile(r"(/home/|/Users/|/root/|/content/|/kaggle/|/mnt/|/media/|~/|[A-Za-z]:[\\/])")
_DEVICE = re.compile(r"(cuda|mps)(:\d+)?")


@dataclass(frozen=True)
class Names:
    """The global names of a cell.

    `now` are used as the cell runs, `later` when its functions are called. A cell is `opaque` when it may define names
    that nobody can read off it: a star import, `exec`, `%run`.
    """

    defines: frozenset[str] = frozenset()
    now: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    opaque: bool = False


def python(source: str) -> str:
    """A cell's source with IPython's magics turned into calls."""
    return TransformerManager().transform_cell(_BODY_IS_PYTHON.sub("", source, count=1))


def names(source: str) -> Names:
    """The names of a cell.

    Raises:
        SyntaxError: the source does not compile.
    """
    text = python(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SyntaxWarning, for "\d" and the like
        compile(text, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        table = symtable.symtable(text, "cell", "exec")
    nodes = list(ast.walk(ast.parse(text)))
    stars = any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes)
    hidden = any(isinstance(node, ast.Name) and node.id in _HIDES_NAMES for node in nodes)
    magics = any(magic in {"run", "load", "pylab", "macro"} for magic, _ in _magics(nodes))
    defines = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    now: set[str] = set()
    later: set[str] = set()
    _collect(table, False, defines, now, later)
    used = frozenset(now) - _GIVEN, frozenset(later) - _GIVEN
    return Names(frozenset(defines), *used, stars or hidden or magics)


def _collect(table: symtable.SymbolTable, deferred: bool, defines: set[str], now: set[str], later: set[str]) -> None:
    """Sort the global names of a scope and of those within it; comprehensions and class bodies run at once."""
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if top or symbol.is_global():
            if symbol.is_referenced():
                (later if deferred else now).add(symbol.get_name())
            if symbol.is_declared_global() and symbol.is_assigned():
                defines.add(symbol.get_name())
    for inner in table.get_children():
        at_once = inner.get_type() == "class" or inner.get_name() in {"listcomp", "setcomp", "dictcomp", "genexpr"}
        _collect(inner, deferred or not at_once, defines, now, later)


def habits(source: str) -> Iterator[tuple[str, bool]]:
    """What works on the student's machine only: (a sentence that says what to do, whether it fails in grading).

    Raises:
        SyntaxError: the source does not compile.
    """
    tree = ast.parse(python(source))
    nodes = list(ast.walk(tree))
    for magic, line in _magics(nodes):
        if magic in {"system", "getoutput", "pip", "conda", "sx", "bash", "sh"}:
            shown = line.split("\n")[0].strip()
            yield f"runs the shell command “{shown}”, which may not be there when this is graded: take it out", False
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    for path in sorted(text for text in texts if "\n" not in text and _FOREIGN_PATH.match(text)):
        yield f"names “{path}”, a path of your own machine: use a path relative to the notebook", False
    if any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "input" for n in nodes):
        yield "asks for input(), and nobody is there to answer: write the value into the cell", True
    if any(_needs_gpu(node) for node in _unconditional(tree)):
        yield "needs a GPU, and grading may have none: use the device of the input (x.device), or leave it out", True


def _needs_gpu(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "cuda"
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_DEVICE.fullmatch(node.value))


def _unconditional(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that no condition stands before: whoever asks whether there is a GPU has a way without one."""
    for node in ast.iter_child_nodes(tree):
        asks = isinstance(node, ast.If | ast.IfExp | ast.BoolOp | ast.Compare | ast.Try | ast.Match)
        simple = isinstance(node, ast.stmt) and not hasattr(node, "body")
        if not asks and not (simple and "is_available" in ast.dump(node)):
            yield node
            yield from _unconditional(node)


def _magics(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    """(name, line) of IPython's magics and shell commands, as `python` writes them."""
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_shell(node.func.value):
            words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            is_magic = node.func.attr in {"run_line_magic", "run_cell_magic"} and words
            yield (words[0], " ".join(words)) if is_magic else (node.func.attr, " ".join(words))


def _is_shell(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_ipython"
