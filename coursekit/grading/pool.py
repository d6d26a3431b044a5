"""Mark many sheets, in this process, in several, or on a Dask cluster. Whatever dies on the way, no mark is lost."""

import atexit
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, get_context
from queue import Queue
from threading import Event, Thread
from typing import Any

from coursekit.exercises import ASSIGNMENTS
from coursekit.grading.box.remote import Server, ServerGone
from coursekit.grading.marking import MOST_TRIES, OUTSIDE, Mark, mark_sheet
from coursekit.grading.sheet import Sheet

Marked = tuple[int, list[Mark]]

_server: Server | None = None


def mark_all(
    sheets: Sequence[Sheet],
    workers: int,
    boxed: bool,
    scheduler: str | None,
    tell: Callable[[list[int]], None] = lambda _: None,
) -> Iterator[Marked]:
    """The marks of each sheet, with its position, in the order in which they are done.

    Args:
        workers: on this machine; one is this process, more are processes that share one warm process.
        scheduler: the address of a Dask cluster, such as tcp://host:8786, to be used in their place.
        tell: is told the positions of the sheets that are being marked on this machine, whenever they change.

    Raises:
        CannotIsolate: students' code cannot be shut in here.
        RuntimeError: a warm process does not start.
    """
    if scheduler:
        yield from _on_cluster(sheets, boxed, scheduler)
    elif sheets:
        context = _context() if workers > 1 else None
        with Server(boxed) as server:
            server.start()
            if context is None:
                yield from _one_by_one(sheets, server, tell)
            else:
                yield from _in_processes(sheets, workers, context, server, tell)


def ahead(marked: Iterator[Marked]) -> Iterator[Marked]:
    """The same, gone through in a thread: marking goes on, whoever dies, while the taker of the marks is busy."""
    done: Queue[Marked | BaseException | None] = Queue()
    over = Event()

    def go() -> None:
        try:
            for one in marked:
                done.put(one)
                if over.is_set():
                    break
            done.put(None)
        except BaseException as error:
            done.put(error)

    thread = Thread(target=go)
    thread.start()
    try:
        while (one := done.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        over.set()
        thread.join()


def _one_by_one(sheets: Sequence[Sheet], server: Server, tell: Callable[[list[int]], None]) -> Iterator[Marked]:
    for number, sheet in enumerate(sheets):
        tell([number])
        try:
            yield number, mark_sheet(sheet, server)
        except ServerGone:
            yield number, unmarkable(sheet)


def _context() -> Any:
    """Where workers come from: a process that imports, from now on, what they need, while others start too."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["coursekit.grading.pool", *(f"coursekit.exercises.a{n}" for n in ASSIGNMENTS)])
    forkserver.ensure_running()
    return context


def _in_processes(
    sheets: Sequence[Sheet], workers: int, context: Any, server: Server, tell: Callable[[list[int]], None]
) -> Iterator[Marked]:
    left = list(range(len(sheets)))
    while left:
        yield from _drain(sheets, left, workers, context, server, tell)
        for number in left[:workers]:  # one of them may be to blame for a death: each shows alone whether it is
            left.remove(number)
            alone = [number]
            for _ in range(MOST_TRIES):
                yield from _drain(sheets, alone, 1, context, server, tell)
            if alone:
                yield number, unmarkable(sheets[number])


def unmarkable(sheet: Sheet) -> list[Mark]:
    """No points, and the reason for a human: whoever marks this sheet dies of it. The class shall not wait for it."""
    reason = f"could not be marked: {MOST_TRIES} processes that tried have died"
    return [Mark(i.grade_id, 0.0, i.points, OUTSIDE, message=reason, suspicious=[reason]) for i in sheet.items]


def _drain(
    sheets: Sequence[Sheet],
    left: list[int],
    workers: int,
    context: Any,
    server: Server,
    tell: Callable[[list[int]], None],
) -> Iterator[Marked]:
    """Mark what is left, and strike it off, until all is done or a worker died, which breaks the whole pool.

    A warm process that died fails all that is under way, and is started anew for the next try.
    """
    if not left:
        return
    server.start()
    pool = ProcessPoolExecutor(workers, context, _begin, (server.boxed, server.address))
    try:
        running: dict[Future[Any], int] = {pool.submit(_mark, sheets[n].to_dict()): n for n in left}
        while running:
            tell(list(running.values())[:workers])  # workers take them in order
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                number = running.pop(future)
                try:
                    marks = [Mark.from_dict(entry) for entry in future.result()]
                except (BrokenProcessPool, ServerGone):
                    continue
                left.remove(number)
                yield number, marks
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(boxed: bool, address: str | None) -> None:
    global _server  # noqa: PLW0603, one for each worker process
    _server = Server(boxed, address)
    atexit.register(_server.close)


def _mark(sheet: dict[str, Any]) -> list[dict[str, Any]]:
    assert _server
    return [mark.to_dict() for mark in mark_sheet(Sheet.from_dict(sheet), _server)]


def _mark_on_cluster(sheet: dict[str, Any], boxed: bool) -> list[dict[str, Any]]:
    if _server is None:
        _begin(boxed, None)
    return _mark(sheet)


def _on_cluster(sheets: Sequence[Sheet], boxed: bool, scheduler: str) -> Iterator[Marked]:
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise RuntimeError("for a cluster, install the extra: pip install 'coursekit[cluster]'") from None
    with Client(scheduler, timeout="30s") as client:
        futures = {
            client.submit(_mark_on_cluster, sheet.to_dict(), boxed, key=f"{sheet.key()}-{n}", retries=MOST_TRIES): n
            for n, sheet in enumerate(sheets)
        }
        for future in as_completed(futures):
            number = futures[future]
            try:
                yield number, [Mark.from_dict(entry) for entry in future.result()]
            except KilledWorker:
                yield number, unmarkable(sheets[number])
