"""What in an answer's source a human should look at. It moves no mark: the box holds whether or not it is seen."""

import ast
from collections.abc import Iterable

from coursekit.grading.source import python

_MODULES = {
    **dict.fromkeys(("ctypes", "gc", "inspect", "dis", "marshal"), "looks into the interpreter"),
    **dict.fromkeys(("subprocess", "multiprocessing", "_thread", "pty", "signal"), "starts or stops processes"),
    **dict.fromkeys(("socket", "urllib", "requests", "http", "ftplib"), "reaches for the network"),
    **dict.fromkeys(("sqlite3", "sqlalchemy", "nbgrader"), "reaches for the gradebook"),
    "coursekit.grading": "reaches for the grader",
}
_NAMES = {
    **dict.fromkeys(("exec", "eval", "compile", "__import__"), "runs code made at run time"),
    **dict.fromkeys(("_getframe", "f_back", "f_locals", "__code__", "__globals__", "setprofile"), "looks into frames"),
    **dict.fromkeys(("settrace", "displayhook", "ast_transformers", "__builtins__"), "changes the interpreter"),
    **dict.fromkeys(("fork", "_exit", "kill", "system", "popen", "execv"), "starts or stops processes"),
    **dict.fromkeys(
        ("_disable_current_modes", "DisableTorchFunction", "_pop_mode", "_dispatch_library"), "hides calls"
    ),
    **dict.fromkeys(("__torch_function__", "__torch_dispatch__"), "has tensors of its own"),
}


def suspicious(sources: Iterable[str]) -> list[str]:
    """Sentences such as "reaches for the network (socket)", sorted, each once."""
    found: set[str] = set()
    for source in sources:
        try:
            tree = ast.parse(python(source))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            found.update(_about(node))
    return sorted(found)


def _about(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or "", *(alias.name for alias in node.names)]
    elif isinstance(node, ast.Attribute):
        names = [node.attr]
    elif isinstance(node, ast.Name):
        names = [node.id]
    elif isinstance(node, ast.FunctionDef):
        names = [node.name]
    else:
        names = []
    for name in names:
        module = next((m for m in _MODULES if name == m or name.startswith(f"{m}.")), None)
        if module and isinstance(node, ast.Import | ast.ImportFrom):
            yield f"{_MODULES[module]} ({name})"
        elif name in _NAMES:
            yield f"{_NAMES[name]} ({name})"
