"""A real JupyterLab server and a real Chromium, each started once for all browser tests."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nbformat
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
SCREENSHOTS = os.environ.get("COURSEKIT_SCREENSHOTS")
NO_NEWS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


@pytest.fixture(scope="session")
def keep():
    """Keep a screenshot for the documents, when COURSEKIT_SCREENSHOTS names a folder such as docs/images."""

    def keep_it(part, name):
        if SCREENSHOTS:
            Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            part.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"))

    return keep_it


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
def serve(tmp_path_factory):
    """Start Jupyter in a folder, with settings of its own, and say its address; it ends with the session."""
    with ExitStack() as servers:

        def serve_it(folder, application="jupyterlab"):
            home = tmp_path_factory.mktemp("home")
            return servers.enter_context(_jupyter(application, folder, home))

        yield serve_it


@contextmanager
def _jupyter(application, folder, home):
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
    log = (home / "jupyter.log").open("w")
    in_page = {"jupyterlab": "LabApp", "notebook": "JupyterNotebookApp"}[application]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", application, "--no-browser", "--allow-root", f"--port={port}"),
            *("--ServerApp.port_retries=0", "--IdentityProvider.token=test", f"--{in_page}.expose_app_in_browser=True"),
        ],
        cwd=folder,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(f"{url}/api?token=test", server, home / "jupyter.log")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """A copy of what a student has, and a notebook with a single cell for figures."""
    course = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "nbgrader_config.py", course)
    for part in ("lectures", "assignments"):
        shutil.copytree(ROOT / part, course / part)
    one_cell = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import torch; from coursekit import data, figures, models", id="figure")],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}},
    )
    nbformat.write(one_cell, course / "figure.ipynb")
    return course


@pytest.fixture(scope="session")
def lab(serve, course):
    """JupyterLab there, as `make lab` starts it."""
    return serve(course)


@pytest.fixture(scope="session")
def notebook_7(serve, course):
    """`jupyter notebook` there."""
    return serve(course, "notebook")


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
    raise RuntimeError(f"Jupyter did not start:\n{log.read_text()[-2000:]}")


class Notebook:
    """A notebook open in JupyterLab or in Notebook 7, driven through the page."""

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

    def type(self, cell_id, source):
        """Put this in place of what the cell holds, with the keyboard."""
        self.cell(cell_id).locator(".cm-content").focus()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(source)

    def run(self, cell_id):
        """Shift and Enter, in the cell."""
        self.cell(cell_id).locator(".cm-content").focus()
        self.page.keyboard.press("Shift+Enter")

    def validate(self):
        """What nbgrader's dialog says after *Validate* was pressed, as an element."""
        self.page.get_by_role("button", name="Validate").click()
        dialog = self.page.locator(".jp-Dialog-content", has_text="Validation Results")
        dialog.wait_for(timeout=180_000)
        return dialog


def open_page(browser, address):
    """A new page with the notebook at this address, its kernel ready."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(f"{address}?token=test&reset")
    page.wait_for_function(
        """() => { const widget = window.jupyterapp?.shell.currentWidget;
            return widget?.context?.isReady && widget.sessionContext?.isReady
                && widget.sessionContext.session?.kernel?.status === 'idle'; }""",
        timeout=90_000,
    )
    return page


def close_page(page):
    page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")
    page.close()


@pytest.fixture
def open_notebook(browser, lab):
    """Open a notebook and wait until its kernel is ready; its session is ended afterwards."""
    pages = []

    def open_it(path, at=f"{lab}/lab/tree"):
        pages.append(open_page(browser, f"{at}/{path}"))
        return Notebook(pages[-1])

    yield open_it
    for page in pages:
        close_page(page)


class Figure:
    """An interactive figure in a page: `root` is its element, the rest drives it as a user would."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".ck-figure").last

    def control(self, name):
        """A slider, menu, checkbox, button or canvas by the name a screen reader says."""
        return self.root.get_by_label(name, exact=True)

    def told(self):
        """The sentence that says what is to be seen."""
        return self.root.locator("output").first.inner_text()

    def number(self, after):
        """The first whole number of that sentence after these words, drawn anew."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return int(re.search(rf"{after}\D*(\d+)", self.told())[1])

    def press(self, key, times=1):
        """Keys, with the focus on the figure itself."""
        self.root.focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def slide(self, name, value):
        """Move a slider to a value, as dragging its knob does."""
        self.control(name).evaluate(
            """(input, value) => {
                input.value = value;
                input.dispatchEvent(new Event('input', { bubbles: true }));
            }""",
            value,
        )

    def unnamed(self):
        """The parts that one can use but a screen reader cannot name; there must be none."""
        return self.root.evaluate(
            """(root) => [root, ...root.querySelectorAll(
                'input, select, button, canvas, [tabindex], [role=img]')]
                .filter(node => !(node.getAttribute('aria-label') || node.textContent).trim())
                .map(node => node.outerHTML.slice(0, 80))"""
        )

    def looks(self):
        """What the figure shows now, as the bytes of a screenshot: compare before and after a step."""
        return self.root.screenshot()

    def milliseconds(self, *keys, count=40):
        """From a key to the painted frame, median, alternating between `keys`; to be told, not asserted."""
        return self.root.evaluate(
            """async (root, [keys, count]) => {
                root.focus();
                const painted = () => new Promise(done => requestAnimationFrame(() => {
                    const channel = new MessageChannel();
                    channel.port1.onmessage = () => done(performance.now());
                    channel.port2.postMessage(0);
                }));
                const times = [];
                for (let i = 0; i < count; i++) {
                    await painted();
                    await new Promise(done => setTimeout(done, 3 + (i * 7) % 13));  // anywhere between two frames
                    const started = performance.now();
                    root.dispatchEvent(new KeyboardEvent('keydown', { key: keys[i % keys.length], bubbles: true }));
                    times.push(await painted() - started);
                }
                return times.sort((a, b) => a - b)[count >> 1];
            }""",
            [keys, count],
        )


@pytest.fixture(scope="session")
def figure_page(browser, lab):
    page = open_page(browser, f"{lab}/lab/tree/figure.ipynb")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    yield page
    close_page(page)


@pytest.fixture
def open_figure(figure_page):
    """Run code whose last line is a figure, in the one notebook and kernel that all figures' tests share."""

    def open_it(code):
        figure_page.evaluate(
            """async (code) => {
                const cell = window.jupyterapp.shell.currentWidget.content.model.cells.get(0);
                cell.outputs.clear();
                cell.sharedModel.setSource(code);
                await window.jupyterapp.commands.execute('notebook:run-all-cells');
            }""",
            code,
        )
        errors = Notebook(figure_page).errors()
        assert not errors, errors
        figure = Figure(figure_page)
        figure.root.wait_for(timeout=30_000)
        return figure

    return open_it
