"""The command `coursekit`. Each part is imported when its command runs, so that `coursekit --help` is quick."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
data_app = typer.Typer(no_args_is_help=True, help="The data sets of the course.")
notebooks_app = typer.Typer(no_args_is_help=True, help="For authors: run lectures, generate assignments.")
exercise_app = typer.Typer(no_args_is_help=True, help="For authors: write exercises.")
results_app = typer.Typer(no_args_is_help=True, help="The measured results: remake them, show them.")
app.add_typer(data_app, name="data")
app.add_typer(exercise_app, name="exercise")
app.add_typer(notebooks_app, name="notebooks")
app.add_typer(results_app, name="results")

console = Console(width=None if sys.stdout.isatty() else 140)


@app.command()
def check(
    assignment: Annotated[str, typer.Argument(help="Such as 01_unpooling.")],
    answers: Annotated[Path, typer.Argument(help="A Python file that defines the exercises' functions and classes.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    seed: Annotated[int, typer.Option(help="Of the random inputs.")] = 0,
) -> None:
    """Score a file of answers without a notebook. The exit code is 0 only when every check passed."""
    from coursekit.exercises.from_file import assess_file

    with console.status(f"judging {answers.name}"):  # seen in a terminal only, and gone in the end
        report = assess_file(assignment, answers, seed)
    print(json.dumps(report.to_dict(), indent=2) if as_json else report)
    raise typer.Exit(code=0 if report.passed else 1)


@app.command()
def doctor(
    file: Annotated[Path, typer.Argument(help="The notebook to be submitted.")],
    mend: Annotated[bool, typer.Option("--mend", help="Mend what is safe first; the old one is kept.")] = False,
    released: Annotated[Path | None, typer.Option(help="The notebook as it was handed out.")] = None,
) -> None:
    """Would this submission be graded? The exit code is 0 only when nothing that was found costs points."""
    from coursekit.grading.doctor import doctor as examined

    diagnosis = examined(file, released, mend)
    print(diagnosis)
    raise typer.Exit(code=0 if diagnosis.healthy else 1)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the class's files are left to be looked at.")] = Path(
        "grading/demo"
    ),
) -> None:
    """An instructor's day: release, a small class's submissions, collect, autograde, feedback, a table of grades."""
    from coursekit.grading.demo import run_demo

    run_demo(folder, console)


@app.command()
def grade(
    assignment: Annotated[str, typer.Argument(help="Such as 01_unpooling.")],
    workers: Annotated[int, typer.Option(help="Processes that mark on this machine.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="A Dask cluster to mark on, such as tcp://host:8786.")] = None,
    without_box: Annotated[
        bool, typer.Option("--without-box", help="Trust every submission: it can then do all that you can.")
    ] = False,
) -> None:
    """Mark a class and record it in the gradebook; interrupted, it goes on where it was. Exit code 1: some failed."""
    from coursekit.grading.grade import grade as graded

    outcome = graded(assignment, Path.cwd(), console, workers, not without_box, scheduler)
    console.print(
        f"{outcome.marked} notebooks marked; {len(outcome.recorded)} submissions recorded, "
        f"{len(outcome.unchanged)} as they were, {len(outcome.failed)} failed"
    )
    for student, reason in outcome.failed.items():
        console.print(f"  {student}: {reason}", markup=False)
    raise typer.Exit(code=1 if outcome.failed else 0)


@app.command()
def report(
    assignment: Annotated[str, typer.Argument(help="Such as 01_unpooling.")],
    folder: Annotated[Path, typer.Option(help="Where the page and the table go.")] = Path("grading/report"),
) -> None:
    """A graded class on one page: distributions, named mistakes, forbidden calls, what a human should look at."""
    from coursekit.grading.report import make_report, write_report

    for file in write_report(make_report(assignment, Path.cwd()), folder):
        console.print(f"{file}")


@app.command()
def new_course(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
) -> None:
    """Begin a course of your own: lectures, solutions, nbgrader's configuration and a README that says how to go on."""
    from coursekit.new_course import new_course as made

    console.print(f"{made(folder)} is a course; its README.md says how to go on", soft_wrap=True)


@app.command()
def models(
    markdown: Annotated[bool, typer.Option("--markdown", help="As the table in docs/models.md.")] = False,
) -> None:
    """Every network of the lecture: parameters here and as published, receptive field, stride, paper, lecture."""
    from coursekit.models import CATALOGUE

    numbers = ("parameters", "published", "field", "stride")
    rows = [
        (
            *(facts.title, f"{facts.parameters:,}", facts.published, str(facts.receptive_field or "all")),
            *(str(facts.stride), f"{facts.paper} {facts.year}", facts.lecture),
        )
        for facts in CATALOGUE
    ]
    if markdown:
        print(f"| network | {' | '.join(numbers)} | paper | lecture |\n|---|---:|---:|---:|---:|---|---|")
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))
        return
    columns = [Column(name, no_wrap=True, justify="right") for name in numbers]
    table = Table(Column("network", no_wrap=True), *columns, "paper", "lecture", box=box.SIMPLE)
    for row in rows:
        table.add_row(*row)
    console.print(table)


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="Such as unet; `coursekit models` shows them.")],
    data: Annotated[str, typer.Option(help="streets, or a name that `coursekit data list` shows.")] = "streets",
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    size: Annotated[tuple[int, int], typer.Option(help="Height and width of the pictures.")] = (96, 128),
    width: Annotated[int | None, typer.Option(help="Channels of the first stage; without it, a laptop's.")] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 8,
    learning_rate: float = 2e-3,
    seed: int = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that load pictures.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Of the run; by default runs/MODEL-DATA.")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write a log for TensorBoard too.")] = False,
) -> None:
    """Train a network on a set. Stopped or killed, the same command goes on where it was."""
    import torch

    from coursekit.training import fit, recipe

    task = recipe.task_for(model)
    pictures, held_out, classes = recipe.sets(data, task, size)
    torch.manual_seed(seed)
    network = recipe.network(model, classes, size, width)
    weights = sum(parameter.numel() for parameter in network.parameters())
    folder = folder or Path("runs") / f"{model}-{data}"
    print(f"{model}, {weights:,} weights, on {len(pictures)} pictures of {data} at {size[0]} × {size[1]}")
    history = fit(
        network,
        pictures,
        held_out,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule="cosine",
        clip=1.0,
        seed=seed,
        workers=workers,
        folder=folder,
        tensorboard=tensorboard,
    )
    print(f"The best was {history.best}.")
    print(f"Its weights are in {folder / 'weights.safetensors'}; `training.load_weights(model, path)` takes them.")
    print(f"To go on, give the same command more epochs: --epochs {2 * epochs}")


@data_app.command("list")
def list_data() -> None:
    """Every set: what it is, whether it is here, its size and its terms."""
    from coursekit import data

    table = Table("set", "what", "pictures", "size", "here", "terms", box=box.SIMPLE)
    for record in data.catalogue():
        size = f"{record.size_mb:g} MB" if record.size_mb else ""
        missing = "no" if record.downloadable else "no, by hand only"
        pictures = f"{record.images:,}" if record.images else ""
        table.add_row(record.name, record.what, pictures, size, str(record.present or missing), record.terms)
    console.print(table)


@data_app.command("get")
def get_data(
    name: Annotated[str, typer.Argument(help="A name that `coursekit data list` shows.")],
    root: Annotated[Path | None, typer.Option(help="Where to put it; by default where the loaders look.")] = None,
) -> None:
    """Download a set, checked, whole or not at all; run again, it goes on where it stopped."""
    from coursekit import data

    console.print(f"{name} is in {data.get(name, root)}")


@exercise_app.command("new")
def new_exercise(
    name: Annotated[str, typer.Argument(help="What the student defines, such as bed_of_nails.")],
    assignment: Annotated[str, typer.Option(help="Such as 01_unpooling; it may be new.")],
) -> None:
    """Begin an exercise: checks, a mistake, variants and its cells, all running, with TODO where you write."""
    from coursekit.exercises import scaffold

    for file in scaffold.new_exercise(name, assignment, Path.cwd()):
        print(file.relative_to(Path.cwd()))
    print(scaffold.left_to_do(name, assignment, Path.cwd()))


@notebooks_app.command("run")
def run_notebooks(files: list[Path]) -> None:
    """Run lectures from top to bottom, store their outputs and renew their cards."""
    from coursekit.notebooks import run

    for file in files:
        console.print(f"{file}: {run(file)}", markup=False)


@notebooks_app.command("slides")
def make_slides(
    files: list[Path],
    folder: Annotated[Path, typer.Option(help="Where they go, beside their assets.")] = Path("site/slides"),
) -> None:
    """Lectures as slides that need no network; `make slides` fetches what they load."""
    from coursekit.notebooks import slides

    for file in files:
        console.print(f"{slides(file, folder)}")


@notebooks_app.command("release")
def release_notebooks() -> None:
    """Generate every assignment from its solution."""
    from coursekit.notebooks import release

    for file in release(Path.cwd()):
        console.print(f"{file}")


@results_app.command("run")
def run_results(
    name: Annotated[str, typer.Argument(help="An experiment, such as camvid.")],
    row: Annotated[str | None, typer.Option(help="Only this row.")] = None,
    seed: Annotated[int | None, typer.Option(help="Only this seed.")] = None,
    again: Annotated[bool, typer.Option("--again", help="What is recorded too, over the old record.")] = False,
) -> None:
    """Train and score what has no record yet, one file a run; stopped, it goes on where it was."""
    from coursekit.results.run import run_experiment

    run_experiment(name, row, seed, again)


@results_app.command("show")
def show_results(
    name: Annotated[str | None, typer.Argument(help="An experiment; all of them when it is left out.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="As in docs/results.md.")] = False,
) -> None:
    """The tables of what was measured, from the recorded runs."""
    from coursekit import results

    if markdown:
        print(results.document() if name is None else results.table(name).markdown(), end="")
        return
    for each in results.names() if name is None else [name]:
        print(results.table(each), end="\n\n")


def main() -> None:
    """Run the command; an error that the user can mend is one line, not a traceback."""
    try:
        app()
    except (KeyError, ValueError, OSError, RuntimeError) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"coursekit: {message}", file=sys.stderr)
        sys.exit(2)
