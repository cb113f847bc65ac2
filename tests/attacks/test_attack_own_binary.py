"""Overwriting the runtime's own program through /proc/self/exe (CVE-2019-5736): here it is a Python interpreter.

The attacker gets the engine to run itself, as /proc/self/exe, and the image's dynamic loader with it; keeps the file
open, and writes to it as soon as nobody runs it any more. Two mechanisms defend: GuardInterpreter, which refuses such a
program of an image; and the read-only mount through which the engine itself is run where others are in the container
already, and can exchange what was looked at (labkit/linux/interpreter.py). The engine attacked is a copy.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

from labkit import Container
from labkit.engine import client, state
from labkit.engine.lifecycle import delete
from labkit.linux.descriptors import readable
from labkit.spec import default
from labkit.spec.model import Mount

pytestmark = pytest.mark.root

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(os.path.dirname(HERE))
DEADLINE = 15.0
NOBODY = 65534

# In place of the dynamic loader: it holds what runs it open as descriptor 9, and becomes a shell of the image.
LOADER = """
#if defined(__x86_64__)
#define OPENAT 257
#define DUP3 292
#define EXECVE 59
static long call(long n, long a, long b, long c) {
    long r;
    register long d __asm__("r10") = 0;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(d) : "rcx", "r11", "memory");
    return r;
}
#elif defined(__aarch64__)
#define OPENAT 56
#define DUP3 24
#define EXECVE 221
static long call(long n, long a, long b, long c) {
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
#endif
void _start(void) {
    const char *args[3];
    const char *none[1];
    args[0] = "sh"; args[1] = "/overwrite"; args[2] = 0; none[0] = 0;
    call(DUP3, call(OPENAT, -100, (long)"/proc/self/exe", 0), 9, 0);
    call(EXECVE, (long)"/bin/sh", (long)args, (long)none);
    for (;;) {}
}
"""
# It waits until it is told that the engine has ended.
OVERWRITE = """#!/bin/sh
echo ready > /shared/answers
read go < /shared/orders
if echo overwritten > /proc/self/fd/9; then echo written; else echo refused; fi > /shared/answers
"""


# It runs anew from its beginning, changes the mode, as the file's owner may, and writes when it is no Python any more.
TRY_TO_WRITE = """
import os
from labkit.linux.interpreter import run_unwritable
print("can be written to:", os.access("/proc/self/exe", os.W_OK), flush=True)
run_unwritable()
os.chmod("/proc/self/exe", 0o777)
os.dup2(os.open("/proc/self/exe", os.O_RDONLY), 9)
os.execv("/bin/sh", ["sh", "-c", "echo overwritten > /proc/self/fd/9"])
"""


@pytest.fixture
def engine(tmp_path):
    """A copy of the interpreter: engine(script, arguments …) runs a script of this folder with it, to its end."""
    copy = tmp_path / "python3"
    shutil.copy(os.path.realpath(sys.executable), copy)
    if subprocess.run([copy, "-I", "-S", "-c", "import ctypes"], check=False, capture_output=True).returncode:
        pytest.skip("this Python does not run as a copy of itself")

    def run(script, *arguments):
        command = [copy, "-S", f"{HERE}/{script}", *map(str, arguments)]
        # A file, since what is left running has it open as well.
        with open(tmp_path / "errors", "w") as errors:
            streams = {"stdin": subprocess.DEVNULL, "stdout": errors, "stderr": errors}
            environment = os.environ | {"PYTHONPATH": PACKAGE}
            subprocess.run(command, check=False, timeout=DEADLINE, env=environment, **streams)
        return (tmp_path / "errors").read_text()

    run.copy = copy
    return run


@pytest.fixture
def hostile(own_rootfs, tmp_path):
    """The image's folder, with the attacker's loader; and the folder that its program shares with the test."""
    if shutil.which("gcc") is None:
        pytest.skip("no compiler for the attacker's loader: sudo apt-get install gcc")
    source, loader = tmp_path / "loader.c", tmp_path / "loader"
    source.write_text(LOADER)
    options = ["-nostdlib", "-static-pie", "-O1", "-fno-stack-protector", "-o", loader]
    subprocess.run(["gcc", *options, source], check=True)
    wanted = subprocess.run(
        ["readelf", "--program-headers", sys.executable], check=True, capture_output=True, text=True
    )
    place = wanted.stdout.partition("program interpreter: ")[2].partition("]")[0]
    assert place
    (own_rootfs / place[1:]).parent.mkdir(parents=True)
    shutil.copy(loader, own_rootfs / place[1:])
    (own_rootfs / "overwrite").write_text(OVERWRITE)
    (own_rootfs / "bin/innocent").symlink_to("/proc/self/exe")
    (tmp_path / "shared").mkdir()
    for name in ("orders", "answers"):
        os.mkfifo(tmp_path / "shared" / name)
    return own_rootfs, tmp_path / "shared"


@pytest.fixture
def container_id():
    id = state.new_id()
    yield id
    if os.path.exists(f"{state.root()}/{id}"):
        delete(id, state.root(), True, lambda text: None)


def overwritten(shared, copy):
    """Let the attacker's program write; whether it could."""
    answers = os.open(shared / "answers", os.O_RDWR)
    orders = os.open(shared / "orders", os.O_RDWR)
    try:
        assert line(answers) == b"ready\n"
        until_nobody_runs(copy)
        os.write(orders, b"go\n")
        answer = line(answers)
    finally:
        os.close(answers)
        os.close(orders)
    changed = copy.read_bytes() == b"overwritten\n"
    assert changed == (answer == b"written\n")
    return changed


def line(answers):
    assert readable(answers, int(DEADLINE * 1000))
    return os.read(answers, 100)


def until_nobody_runs(copy):
    """The engine was waited for; only its container's process, which is no copy of it any more, is left."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            os.close(os.open(copy, os.O_WRONLY))
            return
        except OSError:
            assert time.monotonic() < end
            os.sched_yield()


def test_an_image_cannot(engine, hostile, container_id):
    rootfs, shared = hostile
    before = engine.copy.read_bytes()
    errors = engine("run_left.py", container_id, rootfs, shared)
    assert "/bin/innocent: is the engine's own program" in errors
    assert engine.copy.read_bytes() == before


def test_without_guard_interpreter_it_can(engine, hostile, container_id):
    rootfs, shared = hostile
    errors = engine("run_left.py", container_id, rootfs, shared, "GuardInterpreter")
    assert errors == ""
    assert overwritten(shared, engine.copy)


@pytest.mark.parametrize("unwritable", [True, False])
def test_who_runs_already_can_only_where_the_engine_is_run_from_its_file(engine, hostile, unwritable):
    """The program is exchanged between the guard's look and the execve."""
    rootfs, shared = hostile
    (rootfs / "bin/innocent").unlink()
    (rootfs / "bin/innocent").symlink_to("busybox")
    with Container(rootfs, ["sleep", "600"], overlay=False, volumes=[f"{shared}:/shared"]).start() as container:
        errors = engine("enter_left.py", container.id, rootfs / "bin/innocent", *["unwritable"] * unwritable)
        assert errors == ""
        assert overwritten(shared, engine.copy) == (not unwritable)


def test_the_spawner_is_run_so_that_nobody_can_write_to_it(rootfs):
    Container(rootfs, ["true"]).run(timeout=60)
    assert not os.access(f"/proc/{client._spawner.pid}/exe", os.W_OK)
    # The same file, and by its own name it can be written to.
    assert os.path.samefile(f"/proc/{client._spawner.pid}/exe", sys.executable)
    assert os.access(os.path.realpath(sys.executable), os.W_OK)


@pytest.mark.parametrize("hidden", [False, True])
def test_so_is_the_exec_of_the_command_line(oci, tmp_path, hidden):
    oci.run("labkit-attack-exec", "sleep", "600")
    # The second has a word before the verb that is a verb's, or a module's.
    command = [*oci.command, *["--log", "log"] * hidden, "exec", "labkit-attack-exec", "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        process.stdin.write(b"it runs\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"it runs\n"
        assert not os.access(f"/proc/{process.pid}/exe", os.W_OK)
        process.stdin.close()
        assert process.wait(DEADLINE) == 0


@pytest.mark.parametrize("on_a_volume", [False, True])
def test_and_its_run_of_a_program_on_a_volume(oci, own_rootfs, tmp_path, on_a_volume):
    """Another container may have the volume as well. What lies in an image is nobody's to exchange."""
    shutil.copy("/bin/busybox", tmp_path / "cat")
    spec = default.spec(str(own_rootfs), ("/volume/cat" if on_a_volume else "/bin/cat",))
    spec.mounts += (Mount(destination="/volume", kind="bind", source=str(tmp_path), options=("rbind",)),)
    (tmp_path / "config.json").write_text(json.dumps(spec.dump()))
    command = [*oci.command, "run", "--bundle", tmp_path, "labkit-attack-run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"it runs\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"it runs\n"
        assert os.access(f"/proc/{process.pid}/exe", os.W_OK) == (not on_a_volume)
        process.stdin.close()
        assert process.wait(DEADLINE) == 0


def test_an_ordinary_users_own_interpreter_is_run_as_a_copy():
    """Who may make no mounts gets a sealed file in memory."""
    with tempfile.TemporaryDirectory(prefix="labkit-test-copy-") as folder:
        os.chmod(folder, 0o755)
        copy = f"{folder}/python3"
        shutil.copy(os.path.realpath(sys.executable), copy)
        os.chown(copy, NOBODY, NOBODY)
        shutil.copytree(f"{PACKAGE}/labkit/linux", f"{folder}/labkit/linux")
        for file in ("__init__.py", "errors.py"):
            shutil.copy(f"{PACKAGE}/labkit/{file}", f"{folder}/labkit/{file}")
        command = [copy, "-S", "-c", TRY_TO_WRITE]
        environment = {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        options = {"capture_output": True, "text": True, "check": False, "env": environment, "cwd": folder}
        done = subprocess.run(command, user=NOBODY, group=NOBODY, extra_groups=[], **options)
        assert done.stdout == "can be written to: True\ncan be written to: False\n"
        assert "Operation not permitted" in done.stderr
