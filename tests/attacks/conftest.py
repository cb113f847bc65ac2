"""What the attacks share: a container with the engine as it is or made weaker, and files to attack."""

import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest
from weakened import run_plan, with_calls

from labkit.engine import state
from labkit.engine.configure import configure
from labkit.engine.prepare import prepare
from labkit.linux import kernel
from labkit.plan.manner import Manner
from labkit.spec import default

# On one version of cgroups and on the other.
LIMITS = {"AttachDeviceProgram", "WriteCgroup", "WriteDeviceRules", "WriteEitherCgroup"}


@pytest.fixture
def attack():
    """Run a container in this process: attack(rootfs, command, …) with the words of `configure`, or attack(spec).

    `without` leaves steps out of the plan; without `limits` its cgroups do not limit it; `steps` takes the child's
    steps and returns those to use instead; `calls` replaces calls of the kernel by name; `started` is called when the
    program runs; `kept` are descriptors of the test's own, which the child may have open.
    """

    def run(
        rootfs,
        command=None,
        *,
        without=(),
        limits=True,
        steps=None,
        calls=None,
        kept=(),
        stdin=None,
        console=-1,
        started=None,
        **options,
    ):
        spec = rootfs if command is None else configure(os.fspath(rootfs), command, **options)
        id = state.new_id()
        plan = prepare(spec, id, Manner(console=spec.process.terminal))
        if not limits:
            without = {*without, *LIMITS & {*plan.step_names()}}
        plan = plan.without(without) if without else plan
        if steps:
            plan.child = tuple(steps(plan.child))
        stdio = (0, 1, 2, console) if console >= 0 else None
        close = {"close_all_but": lambda needed, lowest: kernel.close_all_but((*needed, *kept), lowest)}
        return run_plan(plan, with_calls(**close | (calls or {})), stdin, stdio, started)

    return run


@pytest.fixture
def oci(busybox_rootfs, tmp_path):
    """`labkit-oci` with states of its own: oci(verb, …) runs it to its end, oci.run(id, command) a container."""
    program = "from labkit.oci.launch import main; main()"
    made = []

    def call(*words, **options):
        options = {"capture_output": True, "text": True, "timeout": 60, "input": "", "check": False} | options
        return subprocess.run([*call.command, *words], **options)

    def run(id, *args, change=lambda spec: None):
        spec = default.spec(str(busybox_rootfs), args)
        change(spec)
        (tmp_path / "config.json").write_text(json.dumps(spec.dump()))
        made.append(id)
        silent = {"capture_output": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        assert call("run", "--detach", "--bundle", str(tmp_path), id, **silent).returncode == 0
        return state.load(id, str(tmp_path / "states"))

    call.command = [sys.executable, "-c", program, "--root", str(tmp_path / "states")]
    call.run = run
    yield call
    for id in made:
        assert call("delete", "--force", id).returncode == 0


@pytest.fixture
def own_rootfs(busybox_rootfs, tmp_path):
    """A root filesystem of the attacker's making."""
    os.chmod(tmp_path, 0o755)
    return shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)


@pytest.fixture
def canary(tmp_path):
    """A file of the host that no container was given."""
    os.chmod(tmp_path, 0o755)
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "canary").write_text("the host's")
    return folder / "canary"


@pytest.fixture
def python(own_rootfs):
    """python(program) is (command, volumes) for a container that runs it: with the host's interpreter, read-only."""
    shown = {"/usr", *(path for path in ("/lib", "/lib64") if os.path.isdir(path) and not os.path.islink(path))}
    if not sys.base_prefix.startswith("/usr"):
        shown.add(sys.base_prefix)
    for name in ("lib", "lib64"):
        if os.path.islink(f"/{name}"):
            (own_rootfs / name).symlink_to(os.readlink(f"/{name}"))
    interpreter = os.path.realpath(sys.executable)

    def command(program, *arguments):
        return [interpreter, "-I", "-S", "-c", textwrap.dedent(program), *map(str, arguments)]

    command.volumes = [f"{path}:{path}:ro" for path in sorted(shown)]
    return command
