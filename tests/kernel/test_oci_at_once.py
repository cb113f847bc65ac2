"""Two processes act on one container at once: one is first, the other says why not in one line, nothing is left."""

import json
import os
import subprocess
import sys
import tempfile

import pytest

import labkit
from labkit.spec import default

pytestmark = pytest.mark.root

PACKAGE = os.path.dirname(os.path.dirname(labkit.__file__))
# It waits, with its interpreter started, for a line on stdin: that of all is written when all are there.
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.stdin.readline(); from labkit.oci.launch import main; main()"
)
ROUNDS = 20


@pytest.fixture
def at_once(busybox_rootfs, tmp_path):
    """Run some verbs of `labkit-oci` at once on one container: [(exit status, what it said), …]."""
    spec = default.spec(str(busybox_rootfs), ("sleep", "600"))
    (tmp_path / "config.json").write_text(json.dumps(spec.dump()))
    base = [sys.executable, "-I", "-S", "-c", PROGRAM, PACKAGE, "--root", str(tmp_path / "state")]

    def run(*verbs):
        running = []
        for verb, *words in verbs:
            said = tempfile.TemporaryFile("w+")
            more = ["--bundle", str(tmp_path)] if verb == "create" else []
            command = [*base, verb, *words, *more, f"at-once-{os.getpid()}"]
            streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": said}
            running.append((subprocess.Popen(command, text=True, **streams), said))
        for process, _ in running:
            process.stdin.write("\n")
            process.stdin.close()
        ended = []
        for process, said in running:
            process.wait(60)
            with said:
                said.seek(0)
                ended.append((process.returncode, said.read()))
        return ended

    yield run
    assert run(("delete", "--force")) == [(0, "")]
    assert os.listdir(tmp_path / "state") == []


FORCE = ("delete", "--force")
GONE = "does not exist"
# Between its death and its removal, which are one after the other.
DYING = (GONE, "stopped", "not running", "died before it could run its program")


@pytest.mark.parametrize(
    ("before", "verbs", "refusals", "both"),
    [
        ((), (("create",), ("create",)), ("exists",), False),
        (("create",), (("start",), ("start",)), ("already running",), False),
        (("create",), (("delete",), ("delete",)), (GONE,), False),
        (("create",), (FORCE, FORCE), (), True),
        (("create",), (("start",), FORCE), DYING, True),
        (("create", "start"), (("pause",), FORCE), DYING, True),
        (("create", "start"), (("kill",), FORCE), DYING, True),
    ],
)
def test_one_is_first_and_the_other_says_why_it_cannot(at_once, before, verbs, refusals, both):
    """Where `both` may succeed, it is one after the other."""
    for _ in range(ROUNDS):
        for verb in before:
            assert at_once((verb,)) == [(0, "")]
        (first, second), said = zip(*at_once(*verbs), strict=True)
        assert sorted((first, second)) in ([[0, 0], [0, 1]] if both else [[0, 1]]), said
        lines = [line for text in said for line in text.splitlines()]
        assert len(lines) == first + second, said
        assert all("level=error" in line and any(word in line for word in refusals) for line in lines), said
        assert at_once(FORCE) == [(0, "")]
