"""JupyterLab, and a browser that a test drives: no notebook of the user's, no settings, and no process that stays."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import nbformat
import pytest
import websocket


class Page:
    """One tab, through the DevTools protocol (chromedevtools.github.io/devtools-protocol)."""

    def __init__(self, socket):
        self._socket = socket
        self._last = 0

    def command(self, method, **parameters):
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, expression):
        """The value of a JavaScript expression, awaited if it is a promise."""
        result = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression, seconds=60):
        """The value of the expression as soon as it is true."""
        ends = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < ends, f"{expression} never came true; the page shows: {self.text()[-2000:]}"
            time.sleep(0.05)
        return value

    def text(self):
        return self.evaluate("document.body.innerText")


@contextmanager
def ended(command, **options):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def appears(path, process, seconds=60):
    """The text of a file that a program writes once it is ready."""
    ends = time.monotonic() + seconds
    while not (path.exists() and path.read_text().strip()):
        assert process.poll() is None, f"it ended with status {process.returncode}"
        assert time.monotonic() < ends, f"{path} was never written"
        time.sleep(0.05)
    return path.read_text()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab of the folder `notebooks`, which it gives together with the address."""
    place = tmp_path_factory.mktemp("lab")
    folder, runtime = place / "notebooks", place / "runtime"
    folder.mkdir()
    own = {name: str(place / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    environment = os.environ | own | {"JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTER_PREFER_ENV_PATH": "1"}
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"),
        *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}", "--IdentityProvider.token="),
        *("--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with ended(command, env=environment, stderr=subprocess.DEVNULL) as process:
        runtime.mkdir()
        ready = runtime / f"jpserver-{process.pid}.json"
        yield folder, json.loads(appears(ready, process))["url"]


@pytest.fixture
def page(tmp_path):
    """A tab of a browser without a window."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium is not installed")
    profile = tmp_path / "chromium"
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run",
               f"--user-data-dir={profile}", "--window-size=1200,2000", "about:blank"]  # fmt: skip
    with ended(command, stderr=subprocess.DEVNULL) as process:
        port = appears(profile / "DevToolsActivePort", process).split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=20) as answer:
            (target,) = [one for one in json.load(answer) if one["type"] == "page"]
        socket = websocket.create_connection(target["webSocketDebuggerUrl"], suppress_origin=True, timeout=30)
        try:
            yield Page(socket)
        finally:
            socket.close()


@pytest.fixture
def run(lab, page):
    """A function from the name of a notebook and the code of its one cell to its file: opened, and all of it run."""
    folder, address = lab

    def opened(name, source):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, folder / name)
        # JupyterLab's current widget is the one that has the focus.
        page.command("Emulation.setFocusEmulationEnabled", enabled=True)
        # In a workspace of its own: what the others have opened would be opened again.
        page.command("Page.navigate", url=f"{address}lab/workspaces/{name.partition('.')[0]}/tree/{name}")
        page.until("typeof jupyterapp != 'undefined' && jupyterapp.commands.hasCommand('notebook:run-all-cells')")
        page.until("document.querySelector('.jp-Notebook .jp-CodeCell') != null")
        page.evaluate("for (const one of jupyterapp.shell.widgets('main')) jupyterapp.shell.activateById(one.id)")
        page.until("jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel != null")
        page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.info.then(() => true)")
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells').then(() => true)")
        return folder / name

    return opened
