"""`make gate`: does each exercise reject every wrong answer, and no right one?

Three kinds of answers meet the checks: the bank of mistakes, right variants in other styles, and mutants of the
solution made by machine. A mutant that keeps every point must behave as the solution does; else it has survived, which
is a hole in the checks.
"""

import ast
import importlib.util
import inspect
import multiprocessing
import resource
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat
import torch
from mutate import mutants
from rich import box
from rich.console import Console
from rich.table import Table
from torch import nn

from coursekit import exercises
from coursekit.exercises.answer import Answer, copied, quiet, same
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.judge import judge, keeps_every_point
from coursekit.exercises.limits import TimeLimit, time_limit
from coursekit.exercises.watch import Watch

ROOT = Path(__file__).parents[2]
_MEMORY = 24 * 2**30  # of addresses, of which libraries take most
_PATIENCE = 120.0  # seconds by the clock for one mutant


@dataclass
class Row:
    """What came of one exercise. Survivors and unfair rejections should be empty."""

    assignment: str
    exercise: str
    mistakes: int = 0
    variants: int = 0
    killed: int = 0
    equal: list[str] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


def right_variants(assignment: str, name: str) -> dict[str, Any]:
    """The right answers to an exercise in other styles, by the name of the style."""
    file = Path(__file__).parent / "variants" / f"v{assignment}.py"
    spec = importlib.util.spec_from_file_location(f"variants_{assignment}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    styles = vars(getattr(module, name)).items()
    public = {style: answer for style, answer in styles if not style.startswith("_")}
    return {style: answer for style, answer in public.items() if inspect.isfunction(answer) or inspect.isclass(answer)}


def definitions(assignment: str) -> list[ast.stmt]:
    """Imports, functions, classes and plain constants of a solution notebook: its answers without its experiments."""
    notebook = nbformat.read(ROOT / "solutions" / assignment / f"{assignment}.ipynb", as_version=4)
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    constants = [s for s in ast.parse(source).body if isinstance(s, ast.Assign) and isinstance(s.value, ast.Constant)]
    return [s for s in ast.parse(source).body if isinstance(s, kept)] + constants


def written_for(name: str, statements: list[ast.stmt]) -> list[ast.FunctionDef | ast.ClassDef]:
    """The definition of an answer, and of the classes that it derives from."""
    known = {s.name: s for s in statements if isinstance(s, ast.FunctionDef | ast.ClassDef)}
    answer = known[name]
    bases = [base.id for base in getattr(answer, "bases", []) if isinstance(base, ast.Name)]
    return [*(known[base] for base in bases if base in known), answer]


def namespace(statements: list[ast.stmt]) -> dict[str, Any]:
    """The solution's names."""
    names: dict[str, Any] = {"_same": lambda value: value, "__name__": "answers"}
    exec(compile("\n".join(map(ast.unparse, statements)), "<solution>", "exec"), names)
    return names


def examine(assignment: str, name: str) -> Row:
    """One exercise through the gate."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    exercise = exercises.load(assignment).exercises[name]
    row = Row(assignment, name)
    for key, mistake in exercise.mistakes.items():
        row.mistakes += 1
        report = judge(replace(exercise, forbids=()), mistake.answer)
        named = {check.mistake for check in report.checks if check.mistake}
        if report.score == exercise.points or named != {mistake.name}:
            row.survivors.append(f"mistake {key}")
    for style, answer in right_variants(assignment, name).items():
        row.variants += 1
        if not keeps_every_point(exercise, answer):
            row.rejected.append(f"variant {style}")
    statements = definitions(assignment)
    solution = namespace(statements)[name]
    if not keeps_every_point(exercise, solution):
        row.rejected.append("the solution")
    hurried = _hurried(exercise, solution)
    calls = recorded(exercise, solution)
    for part in written_for(name, statements):
        for told, text in mutants(ast.unparse(part)):
            changed = [ast.parse(text).body[0] if statement is part else statement for statement in statements]
            fate = in_a_child(_fate, hurried, solution, calls, lambda changed=changed: namespace(changed)[name])
            if fate == "killed":
                row.killed += 1
            else:
                {"equal": row.equal, "survived": row.survivors}[fate].append(f"mutant of {part.name}, {told}")
    return row


def _fate(exercise: Exercise, solution: Any, calls: list[Any], make: Callable[[], Any]) -> str:
    """Whether a mutant is "killed", "equal" or has "survived"."""
    try:
        mutant = make()
    except Exception:
        return "killed"
    if not callable(mutant) or not keeps_every_point(exercise, mutant):
        return "killed"
    return "equal" if all(alike(solution, mutant, args, kwargs) for args, kwargs in calls) else "survived"


def _hurried(exercise: Exercise, solution: Any) -> Exercise:
    """The exercise with time limits after what the solution needs, since mutants are many and some never end."""
    checks = []
    for check in exercise.checks:
        began = time.process_time()
        judge(replace(exercise, checks=[replace(check, needs=None)]), solution)
        checks.append(replace(check, seconds=min(check.seconds, 1 + 5 * (time.process_time() - began))))
    return replace(exercise, checks=checks)


def in_a_child(function: Callable[..., str], *args: Any) -> str:
    """A function's result; "killed" where its process crashes, hangs where no signal reaches it, or eats the memory."""
    reading, writing = multiprocessing.Pipe(duplex=False)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        writing.send(function(*args))

    child = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    child.start()
    writing.close()
    try:
        return reading.recv() if reading.poll(_PATIENCE) else "killed"
    except EOFError:
        return "killed"
    finally:
        child.kill()
        child.join()


def recorded(exercise: Exercise, solution: Any) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """The arguments of every call that the checks make under seeds which the gate does not judge with."""
    calls: list[Any] = []
    original = Answer.run

    def listening(self: Answer, function: Any, *args: Any, **kwargs: Any) -> Any:
        if function is solution:
            calls.append((copied(args), copied(kwargs)))
        return original(self, function, *args, **kwargs)

    Answer.run = listening  # type: ignore[method-assign]
    try:
        for seed in (101, 102, 103):
            judge(exercise, solution, seed)
    finally:
        Answer.run = original  # type: ignore[method-assign]
    return calls


def alike(solution: Any, mutant: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether both give the same; networks are built from one seed and compared by what they compute."""

    def outcome(function: Any) -> Any:
        with quiet(), Watch(()), time_limit(10):
            torch.manual_seed(0)
            result = function(*copied(args), **copied(kwargs))
            if not isinstance(result, nn.Module):
                return result
            size = (188, 188) if "UNet" in type(result).__name__ else (16, 24)
            x = torch.randn(2, args[0], *size)
            return [result.train()(x).detach(), result.eval()(x).detach(), [p.detach() for p in result.parameters()]]

    results = []
    for function in (solution, mutant):
        try:
            results.append(outcome(function))
        except (Exception, TimeLimit) as error:
            results.append(type(error).__name__)
    left, right = results
    return left == right if isinstance(left, str) or isinstance(right, str) else same(left, right)


def main() -> int:
    chosen = sys.argv[1:] or exercises.ASSIGNMENTS
    pairs = [(name, exercise) for name in chosen for exercise in exercises.load(name).exercises]
    console = Console(width=None if sys.stdout.isatty() else 140)
    counted = ("mistakes", "variants", "mutants", "killed", "equal", "survived", "rejected")
    table = Table("assignment", "exercise", *counted, box=box.SIMPLE)
    with ProcessPoolExecutor(max_workers=2) as pool:
        rows = list(pool.map(examine, *zip(*pairs)))
    for row in rows:
        total = row.killed + len(row.equal) + sum(told.startswith("mutant") for told in row.survivors)
        counts = (row.mistakes, row.variants, total, row.killed, len(row.equal), len(row.survivors), len(row.rejected))
        table.add_row(row.assignment, row.exercise, *map(str, counts))
    console.print(table)
    for row in rows:
        for title in ("survivors", "rejected", "equal"):
            for told in getattr(row, title):
                console.print(f"{title}: {row.exercise}: {told}", markup=False, highlight=False)
    return 1 if any(row.survivors or row.rejected for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
