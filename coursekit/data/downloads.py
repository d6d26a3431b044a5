"""Checked downloads: pinned files, several at a time, resumed where they broke off, whole or not at all.

Everything gathers in `NAME.partial` beside the set's folder. A file is appended to until its end is
reached; then pooch compares its SHA-256 and moves it into place. Only when all are there does the folder
get its name.
"""

import os
import shutil
import tarfile
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path

import pooch
import requests
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

__all__ = ["DownloadError", "Source", "fetch", "on_github"]


class DownloadError(OSError):
    """A download did not come whole; what has come is kept, and the next try goes on from there."""


@dataclass(frozen=True)
class Source:
    """Where a set comes from.

    `files` maps each path below a base URL to its SHA-256; each of `base_urls` serves the same files, and
    they are tried in turn. `folder` is the part of the paths that is the set's own folder, with its slash;
    `unpack` says that the files are tar archives of it.
    """

    files: Mapping[str, str]
    base_urls: tuple[str, ...]
    folder: str = ""
    unpack: bool = False

    def urls(self, path: str, name: str) -> list[str]:
        """The addresses of one file of the set called `name`.

        First comes a classroom's own server, `$COURSEKIT_MIRROR`, which serves a data folder as it lies on disk.
        """
        mirror = os.environ.get("COURSEKIT_MIRROR")
        near = [f"{mirror.rstrip('/')}/{name}/{path.removeprefix(self.folder)}"] if mirror else []
        return near + [base + path for base in self.base_urls]


def on_github(repository: str, commit: str, folder: str, registry: str) -> Source:
    """The files of a repository at one commit, with their SHA-256 from `registries/`."""
    lines = (package_files(__package__) / "registries" / registry).read_text("utf-8").splitlines()
    return Source(
        files=dict(line.rsplit(maxsplit=1) for line in lines),
        base_urls=(
            f"https://raw.githubusercontent.com/{repository}/{commit}/",
            f"https://github.com/{repository}/raw/{commit}/",
        ),
        folder=folder,
    )


def fetch(
    source: Source,
    destination: Path,
    *,
    progress: bool = True,
    workers: int = 8,
    attempts: int = 3,
    timeout: float = 30.0,
) -> Path:
    """Download `source` to the folder `destination` and return it; a folder that holds something is left alone.

    Each address of a file is tried `attempts` times; `timeout` is the longest silence of a server in seconds.

    Raises `DownloadError`, which says what broke and what is kept, when the servers fail or the disk does.
    """
    staging = destination.with_name(destination.name + ".partial")
    files = staging / "files"
    pooch.get_logger().setLevel("WARNING")  # the bar tells enough
    try:
        files.mkdir(parents=True, exist_ok=True)
        lock = staging.with_suffix(".lock")  # another process may be fetching the same set
        with FileLock(lock):
            if not (destination.exists() and any(destination.iterdir())):
                with _bar(destination.name, len(source.files), progress) as bar:
                    _Run(source, destination.name, staging, bar).all_files(workers, attempts, timeout)
                _put_in_place(source, staging, destination)
            shutil.rmtree(staging, ignore_errors=True)
        with suppress(OSError):  # whoever waits for it holds it open, which some systems mind
            lock.unlink(missing_ok=True)
    except OSError as error:
        kept = sum((files / path).exists() for path in source.files)
        raise DownloadError(
            f"{destination.name} did not come whole: {error}. "
            f"{kept} of {len(source.files)} files are kept in {staging}; the next try goes on from there"
        ) from error
    return destination


class _Run:
    """One try to get all files of a source: what its threads share."""

    def __init__(self, source: Source, name: str, staging: Path, bar: Progress) -> None:
        self.source, self.name, self.staging, self.bar = source, name, staging, bar
        self.session = requests.Session()  # keeps connections open: most sets are many small files
        self.stop = threading.Event()
        self.fractions = dict.fromkeys(source.files, 0.0)
        (staging / "parts").mkdir(exist_ok=True)

    def all_files(self, workers: int, attempts: int, timeout: float) -> None:
        pool = ThreadPoolExecutor(workers)
        try:
            jobs = [pool.submit(self.file, path, attempts, timeout) for path in self.source.files]
            for job in as_completed(jobs):
                job.result()
        finally:  # after an error or Ctrl-C no file is begun, and what runs ends at its next chunk
            self.stop.set()
            pool.shutdown(cancel_futures=True)

    def file(self, path: str, attempts: int, timeout: float) -> None:
        """Get one file, unless it is here, from the first address that serves the right bytes."""
        target, sha256 = self.staging / "files" / path, self.source.files[path]

        def download(url: str, output_file: str, _: object) -> None:
            part = self.staging / "parts" / sha256
            self.append(url, part, path, timeout)
            part.replace(output_file)

        for attempt in range(attempts):
            self.stop.wait(attempt)  # a server that is busy gets a little longer each time
            for url in self.source.urls(path, self.name):
                try:
                    pooch.retrieve(url, sha256, target.name, target.parent, downloader=download)
                except (requests.RequestException, ValueError) as error:
                    problem = DownloadError(f"{url}: {_reason(error, timeout)}")
                else:
                    self.show(path, 1.0)
                    return
        raise problem

    def append(self, url: str, part: Path, path: str, timeout: float) -> None:
        """Download what `part` lacks of `url`; a server that sends no ranges sends it all, from the start."""
        have = part.stat().st_size if part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with self.session.get(url, headers=headers, stream=True, timeout=timeout) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # nothing is left to send: the SHA-256 decides whether it is right
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            size = have * resumed + int(response.headers.get("Content-Length", 0))
            with part.open("ab" if resumed else "wb") as file:
                for chunk in response.iter_content(1 << 16):
                    file.write(chunk)
                    self.show(path, min(file.tell() / size, 1.0) if size else 0.0, len(chunk))
                    if self.stop.is_set():
                        raise DownloadError("stopped")

    def show(self, path: str, fraction: float, received: int = 0) -> None:
        """Move the bar, which counts files and parts of files, and the number of bytes beside it."""
        task = self.bar.tasks[0]
        advance = fraction - self.fractions[path]
        self.bar.update(task.id, advance=advance, bytes=task.fields["bytes"] + received)
        self.fractions[path] = fraction


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, requests.HTTPError):
        return str(error)
    if isinstance(error, requests.RequestException):
        silent = "timed out" in str(error).lower()
        return f"no answer for {timeout:g} s" if silent else f"the connection broke ({error})"
    return "these are not the pinned bytes (the SHA-256 differs)"


def _bar(name: str, count: int, visible: bool) -> Progress:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[bytes]:,} bytes"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not visible,
    )
    bar.add_task(name, total=count, bytes=0)
    return bar


def _put_in_place(source: Source, staging: Path, destination: Path) -> None:
    files = staging / "files"
    folder = files / source.folder
    if source.unpack:
        folder = staging / "unpacked"
        for path in source.files:
            with tarfile.open(files / path) as archive:
                archive.extractall(folder, filter="data")
    for stray in list(files.rglob("tmp*")):  # pooch's unfinished files of a run that was killed
        stray.unlink()
    if destination.exists():
        destination.rmdir()
    folder.replace(destination)
