"""A real JupyterLab server and a real Chromium, each started once for all browser tests."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
NO_NEWS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


def chromium():
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser():
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebooks, with folders of its own, as `make lab` starts it."""
    home = tmp_path_factory.mktemp("lab")
    course = home / "course"
    for part in ("lectures", "assignments"):
        shutil.copytree(ROOT / part, course / part)
    config = home / "config"
    (config / "labconfig").mkdir(parents=True)
    (config / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(NO_NEWS))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    log = (home / "lab.log").open("w")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"),
            *("--ServerApp.port_retries=0", "--IdentityProvider.token=test", "--LabApp.expose_app_in_browser=True"),
        ],
        cwd=course,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(f"{url}/api?token=test", server, home / "lab.log")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def _wait_until_up(url, server, log, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


class Notebook:
    """A notebook open in JupyterLab, driven through the page."""

    def __init__(self, page):
        self.page = page

    def run_all(self):
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def errors(self):
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells
                .flatMap(cell => cell.toJSON().outputs || [])
                .filter(output => output.output_type === 'error').map(output => output.evalue)"""
        )

    def cell(self, cell_id):
        """The cell's element, scrolled to."""
        index = self.page.evaluate(
            """(id) => { const panel = window.jupyterapp.shell.currentWidget;
                const at = [...panel.content.model.cells].findIndex(c => c.id === id);
                panel.content.activeCellIndex = at;
                panel.content.scrollToItem(at, 'center');
                return at; }""",
            cell_id,
        )
        return self.page.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')

    def write(self, cell_id, source):
        self.page.evaluate(
            """([id, source]) => { const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
                cells.find(c => c.id === id).sharedModel.setSource(source); }""",
            [cell_id, source],
        )


@pytest.fixture
def open_notebook(browser, lab):
    """Open a notebook and wait until its kernel is ready; its session is ended afterwards."""
    pages = []

    def open_it(path):
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        pages.append(page)
        page.goto(f"{lab}/lab/tree/{path}?token=test&reset")
        page.wait_for_function(
            """() => { const widget = window.jupyterapp?.shell.currentWidget;
                return widget?.context?.isReady && widget.sessionContext?.isReady
                    && widget.sessionContext.session?.kernel?.status === 'idle'; }""",
            timeout=90_000,
        )
        return Notebook(page)

    yield open_it
    for page in pages:
        page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")
        page.close()
