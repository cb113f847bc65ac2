"""Hooks: which environment and state they see, and what becomes of the container when one fails."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from labkit.spec import default

pytestmark = pytest.mark.root

OCI = [sys.executable, "-c", "from labkit.oci.launch import main; main()"]


@pytest.fixture
def bundle(busybox_rootfs, tmp_path):
    os.chmod(tmp_path, 0o755)
    shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)
    return tmp_path


@pytest.fixture
def oci(bundle):
    """Run `labkit-oci VERB ARGUMENTS` in the bundle, with state of its own: (exit status, output and log)."""
    made = f"hooks-{os.getpid()}"
    environment = {**os.environ, "WHOSE": "callers"}

    def run(verb, *arguments):
        command = [*OCI, "--root", str(bundle / "state"), "--log", str(bundle / "log"), verb, *arguments, made]
        with open(bundle / "output", "wb") as output:
            done = subprocess.run(
                command, cwd=bundle, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60
            )
        log = bundle / "log"
        return done.returncode, (bundle / "output").read_text() + (log.read_text() if log.exists() else "")

    yield run
    run("delete", "--force")


def write(bundle, args=("true",), **hooks):
    document = default.spec("rootfs", args).dump()
    document["process"]["env"] = ["PATH=/bin", "WHOSE=programs"]
    document["hooks"] = hooks
    (bundle / "config.json").write_text(json.dumps(document))


def shell(script, **more):
    return {"path": "/bin/sh", "args": ["sh", "-c", script], **more}


@pytest.mark.parametrize("moment", ["prestart", "createRuntime", "poststart", "poststop"])
@pytest.mark.parametrize(("given", "seen"), [({}, "callers"), ({"env": []}, ""), ({"env": ["WHOSE=mine"]}, "mine")])
def test_a_hook_without_env_has_the_runtimes_and_an_empty_one_has_none(bundle, oci, moment, given, seen):
    write(bundle, **{moment: [shell(f'printf %s "$WHOSE" > {bundle}/seen', **given)]})
    assert oci("run")[0] == 0
    assert (bundle / "seen").read_text() == seen


@pytest.mark.parametrize("moment", ["createContainer", "startContainer"])
def test_a_hook_of_the_containers_own_process_without_env_has_the_programs(bundle, oci, moment):
    write(bundle, **{moment: [shell('test "$WHOSE" = programs')]})
    assert oci("run") == (0, "")


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("prestart", "created"),
        ("createRuntime", "created"),
        ("createContainer", "created"),
        ("poststart", "running"),
        ("poststop", "stopped"),
    ],
)
def test_the_status_that_a_hook_is_told(bundle, oci, moment, status):
    write(bundle, ("sleep", "600"), **{moment: [shell(f"cat > {bundle}/state.json")]})
    assert oci("create")[0] == 0
    assert oci("start")[0] == 0
    assert oci("delete", "--force")[0] == 0
    assert json.loads((bundle / "state.json").read_text())["status"] == status


def test_a_poststart_hook_that_fails_is_a_warning_and_the_others_run(bundle, oci):
    write(bundle, ("sleep", "600"), poststart=[shell("exit 3"), shell(f"touch {bundle}/second"), shell("exit 4")])
    assert oci("create")[0] == 0
    status, text = oci("start")
    assert (status, (bundle / "second").exists()) == (0, True)
    assert text.count("level=warning") == 2
    assert "poststart hook #0" in text
    assert "poststart hook #2" in text
    assert json.loads(oci("state")[1].partition("time=")[0])["status"] == "running"


def test_so_it_is_when_the_container_is_run_in_front(bundle, oci):
    write(bundle, ("sh", "-c", "exit 7"), poststart=[shell("exit 3")], poststop=[shell("exit 5"), shell("exit 6")])
    status, text = oci("run")
    assert status == 7
    for words in ("poststart hook #0", "poststop hook #0", "poststop hook #1"):
        assert words in text


def test_a_poststop_hook_that_fails_is_a_warning_and_the_others_run(bundle, oci):
    write(bundle, ("sleep", "600"), poststop=[shell("exit 3"), shell(f"touch {bundle}/second")])
    assert oci("create")[0] == 0
    status, text = oci("delete")
    assert (status, (bundle / "second").exists()) == (0, True)
    assert text.count("level=warning") == 1
