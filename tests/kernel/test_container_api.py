"""`Container` beyond run(): create and start, exec, pause, limits, figures, logs, terminals, the reason of a death."""

import os
import select
import signal
import threading
import time

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.errors import LabkitError, StepError
from labkit.spec.model import Hook
from labkit.stats.usage import frame

pytestmark = pytest.mark.root

DEADLINE = 30.0
HOG = ["tail", "/dev/zero"]


@pytest.fixture
def running(rootfs):
    with Container(rootfs, ["sleep", "60"], memory="64M", cpus=0.5, pids=20).start() as container:
        yield container


def namespaces(pid):
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("pid", "net", "ipc", "uts", "mnt", "cgroup")}


def until(condition, what):
    """Wait until `condition()`; the deadline is for a machine that is busy."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def test_each_status_in_turn(rootfs):
    container = Container(rootfs, ["sleep", "60"])
    seen = [container.status]
    for act in (container.create, container.start, container.pause, container.resume, container.kill, container.wait):
        act()
        if act != container.kill:
            seen.append(container.status)
    container.delete()
    assert seen == ["planned", "created", "running", "paused", "running", "stopped"]
    assert (container.exit_status, container.status) == (137, "stopped")


def test_a_created_container_has_not_run_its_program(rootfs, tmp_path):
    with Container(rootfs, ["touch", "/data/ran"], volumes=[f"{tmp_path}:/data"]).create() as container:
        assert container.pid
        assert container.exec(["ls", "/data"]).text == ""
        assert container.start().wait(timeout=60) == 0
    assert os.listdir(tmp_path) == ["ran"]


def test_stdio_is_given_to_create(rootfs):
    reading, writing = os.pipe()
    with Container(rootfs, ["echo", "hello"]).create(stdout=writing) as container:
        os.close(writing)
        with pytest.raises(LabkitError, match="has its stdio"):
            container.start(stdout=1)
        container.start()
        container.wait(timeout=60)
    with os.fdopen(reading) as output:
        assert output.read() == "hello\n"


def test_a_program_that_is_not_there_is_an_error_of_create(rootfs):
    container = Container(rootfs, ["no-such-command"])
    with pytest.raises(StepError) as caught:
        container.create()
    assert (caught.value.step, caught.value.exit_status) == ("FindProgram", 127)
    assert container.status == "planned"


def test_a_program_that_cannot_be_executed_is_an_error_of_start_and_the_container_gone(rootfs, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    container = Container(rootfs, ["/script"], volumes=[f"{script}:/script"]).create()
    with pytest.raises(StepError) as caught:
        container.start()
    assert caught.value.step == "Execute"
    assert container.status == "stopped"
    with pytest.raises(LabkitError, match="has ended"):
        container.start()


def test_a_created_container_can_be_killed(rootfs):
    with Container(rootfs, ["true"]).create() as container:
        container.kill()
        assert container.wait(timeout=60) == 137
        with pytest.raises(LabkitError, match="has ended"):
            container.start()


def test_exec_runs_a_program_where_the_first_is(running):
    inside = running.exec(["sh", "-c", "for kind in pid net ipc uts mnt cgroup; do readlink /proc/self/ns/$kind; done"])
    assert inside.text.split() == list(namespaces(running.pid).values())
    assert running.exec(["hostname"]).text == "labkit\n"


def test_exec_gives_back_what_run_does(running):
    result = running.exec(["sh", "-c", "cat; echo no >&2; exit 3"], input=b"yes")
    assert (result.exit_status, result.stdout, result.stderr, result.reason) == (3, b"yes", b"no\n", None)


def test_exec_changes_what_is_given_and_keeps_the_rest(rootfs):
    with Container(rootfs, ["sleep", "60"], env={"A": "1", "B": "2"}, cwd="/etc").start() as container:
        shown = ["sh", "-c", "echo $A $B $HOME $(id -u) $(id -g) $(pwd)"]
        assert container.exec(shown).text == "1 2 /root 0 0 /etc\n"
        changed = container.exec(shown, user="ann", env={"B": "3"}, cwd="/tmp")
        assert changed.text == "1 3 /home/ann 1000 1000 /tmp\n"
        filters = container.exec(["grep", "-E", "^(Seccomp|NoNewPrivs|CapBnd):", "/proc/self/status"]).text
        with open(f"/proc/{container.pid}/status") as status:
            assert all(line in status.read().splitlines() for line in filters.splitlines()[:1])
        assert "Seccomp:\t2" in filters


def test_exec_of_what_is_not_there_leaves_the_container_running(running):
    with pytest.raises(StepError) as caught:
        running.exec(["no-such-command"])
    assert (caught.value.step, caught.value.exit_status) == ("Execute", 127)
    with pytest.raises(LabkitError, match="is not in the container's /etc/passwd"):
        running.exec(["true"], user="nobody-known")
    with pytest.raises(LabkitError, match="no command"):
        running.exec([])
    assert running.exec(["true"]).exit_status == 0


def test_exec_from_many_threads_at_once(running):
    results = {}

    def one(number):
        results[number] = running.exec(["sh", "-c", f"echo {number}; exit {number}"]).text

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: f"{number}\n" for number in range(8)}


def test_exec_that_takes_too_long_is_killed_and_the_container_not(running):
    with pytest.raises(LabkitError, match=r"ended after 0\.05 s"):
        running.exec(["sleep", "59"], timeout=0.05)
    assert "sleep 59" not in running.exec(["ps"]).text
    assert running.status == "running"


def test_a_process_of_exec_ends_with_its_container(rootfs, tmp_path):
    container = Container(rootfs, ["sleep", "60"], volumes=[f"{tmp_path}:/data"]).start()
    ended = []
    script = ["sh", "-c", "touch /data/in; exec sleep 59"]
    waiting = threading.Thread(target=lambda: ended.append(container.exec(script).exit_status))
    waiting.start()
    until((tmp_path / "in").exists, "the program does not run")
    container.delete()
    waiting.join(DEADLINE)
    assert ended == [137]


def test_what_is_over_says_so(rootfs, running):
    running.kill()
    running.wait(timeout=60)
    calls = [
        running.pause,
        running.resume,
        running.stats,
        lambda: running.exec(["true"]),
        lambda: running.update(pids=5),
    ]
    for call in calls:
        with pytest.raises(LabkitError, match="has ended"):
            call()
    with pytest.raises(LabkitError, match="was not started"):
        Container(rootfs, ["true"]).pause()


def test_a_paused_container_takes_no_further_process_until_it_goes_on(running):
    running.pause()
    running.pause()
    with pytest.raises(LabkitError, match="is paused") as caught:
        running.exec(["true"])
    assert "resume()" in caught.value.hint
    running.resume()
    assert running.exec(["true"]).exit_status == 0


def test_a_paused_container_can_be_deleted(running):
    running.pause()
    running.delete()
    assert running.status == "stopped"


def test_update_changes_what_the_kernel_keeps(running, folders):
    def limit(*names):
        paths = [f"{folder}/{name}" for folder in folders(running) for name in names]
        with open(next(path for path in paths if os.path.exists(path))) as file:
            return int(file.read())

    running.update(memory="32M", pids=10)
    assert limit("memory.limit_in_bytes", "memory.max") == 32 * 2**20
    assert limit("pids.max") == 10
    running.update(memory="128M")
    assert limit("memory.limit_in_bytes", "memory.max") == 128 * 2**20
    assert limit("pids.max") == 10
    assert "memory 128 MiB, 0.5 CPUs, 10 processes" in running._repr_html_()
    with pytest.raises(LabkitError, match="memory limit"):
        running.update(memory="much")


def test_stats_are_numbers_that_make_tidy_rows(running):
    stats = running.stats()
    assert stats["pids"]["current"] == 1
    assert 0 < stats["memory"]["usage"]["usage"] < stats["memory"]["usage"]["limit"] == 64 * 2**20
    rows = frame([(0.0, stats)])
    assert rows[rows["metric"] == "pids.current"]["value"].tolist() == [1]


def test_the_reason_of_a_death_for_want_of_memory(rootfs):
    result = Container(rootfs, HOG, memory="16M").run(timeout=60)
    assert result.exit_status == 137
    assert result.reason.startswith("killed: out of memory, limit 16 MiB, peak 1")
    with Container(rootfs, HOG, memory="16M").start() as container:
        container.wait(timeout=60)
        assert container.reason.startswith("killed: out of memory")
        assert f"stopped with status 137: {container.reason}" in container._repr_html_()


def test_a_death_by_a_signal_has_no_reason(running):
    running.kill()
    assert (running.wait(timeout=60), running.reason) == (137, None)


def test_the_reason_is_of_the_process_that_exec_has_run(running):
    assert running.exec(HOG).reason.startswith("killed: out of memory, limit 64 MiB")
    assert running.exec(["sh", "-c", "kill -9 $$"]).reason is None


def test_the_command_line_gives_the_reason_as_a_hint(rootfs, labkit):
    done = labkit("run", "--rootfs", rootfs, "--memory", "16M", "--", *HOG)
    assert done.returncode == 137
    assert done.stderr.startswith("hint: killed: out of memory, limit 16 MiB, peak ")
    assert "--memory" in done.stderr


def test_a_log_in_memory_has_both_outputs(rootfs):
    with Container(rootfs, ["sh", "-c", "echo one; echo two >&2; printf three"]) as container:
        container.start(log=True).wait(timeout=60)
        assert list(container.logs()) == ["one", "two", "three"]
        assert list(container.logs()) == ["one", "two", "three"]
    with pytest.raises(LabkitError, match="gone with its container"):
        list(container.logs())


def test_a_log_in_a_file_is_added_to_it_and_stays(rootfs, tmp_path):
    path = tmp_path / "log"
    path.write_text("before\n")
    with Container(rootfs, ["sh", "-c", "echo more; cat <&1"]).create(log=path) as container:
        container.start().wait(timeout=60)
        assert next(container.logs()) == "more"
    assert path.read_text().startswith("before\nmore\n")
    # The program may write to it and not read it.
    assert path.read_text().count("before") == 1


def test_a_log_is_followed_to_the_end(rootfs):
    theirs, ours = os.pipe()
    with Container(rootfs, ["sh", "-c", "echo first; read x; echo $x; echo last"]) as container:
        container.start(stdin=theirs, log=True)
        os.close(theirs)
        lines = container.logs(follow=True)
        assert next(lines) == "first"
        os.write(ours, b"second\n")
        assert list(lines) == ["second", "last"]
        os.close(ours)


def test_a_log_that_cannot_be_is_said(rootfs, tmp_path):
    with pytest.raises(LabkitError, match="Is a directory"):
        Container(rootfs, ["true"]).start(log=tmp_path)
    with Container(rootfs, ["true"]).start() as container, pytest.raises(LabkitError, match="has no log"):
        container.logs()
    with pytest.raises(LabkitError, match="terminal has no log"):
        Container(rootfs, ["true"], terminal=True).start(log=True)


def test_run_through_a_terminal(rootfs):
    result = Container(rootfs, ["sh", "-c", "tty; cat"], terminal=True).run(b"typed\n", timeout=60)
    assert result.exit_status == 0
    # What is typed is shown, and then what cat answers.
    assert sorted(result.text.split()) == ["/dev/pts/0", "typed", "typed"]


def test_exec_through_a_terminal_twice(running):
    for _ in range(2):
        result = running.exec(["sh", "-c", "tty; ls -l /proc/self/fd/0; exit 4"], terminal=True, timeout=60)
        assert result.exit_status == 4
        assert result.text.startswith("/dev/pts/0\r\n")
    with pytest.raises(LabkitError, match=r"ended after 0\.05 s"):
        running.exec(["sleep", "59"], terminal=True, timeout=0.05)


def test_the_terminal_of_a_started_container(rootfs):
    with Container(rootfs, ["sh"], terminal=True).create() as container:
        container.resize(40, 100)
        container.start()
        container.terminal.write(b"stty size; exit 5\n")
        assert container.wait(timeout=60) == 5
        shown = b""
        while select.select([container.terminal], [], [], DEADLINE)[0]:
            try:
                shown += os.read(container.terminal.fileno(), 4096)
            except OSError:
                break
        assert b"40 100" in shown
    with Container(rootfs, ["true"]).start() as container, pytest.raises(LabkitError, match="has no terminal"):
        container.resize(1, 1)


def test_an_interrupt_while_exec_waits_kills_its_process_and_not_the_container(running):
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            running.exec(["sleep", "59"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert "sleep 59" not in running.exec(["ps"]).text


def test_what_a_notebook_shows_of_a_container_that_runs(running):
    html = running._repr_html_()
    assert f"running, pid {running.pid}" in html
    assert f"Container {running.id}" in html


@pytest.mark.parametrize("begin", [Container.start, lambda container: container.create().start()])
def test_a_hook_after_the_start_that_fails_is_a_warning_and_the_program_runs_on(rootfs, begin):
    spec = configure(str(rootfs), ["sleep", "60"])
    spec.hooks.poststart = (Hook(path="/bin/false", args=("false",)),)
    spec.hooks.poststop = (Hook(path="/no/such/hook"),)
    container = Container.from_spec(spec)
    with pytest.warns(UserWarning, match="poststart hook #0: /hooks/poststart/0: /bin/false: exit status 1"):
        begin(container)
    assert container.status == "running"
    with pytest.warns(UserWarning, match="poststop hook #0: /hooks/poststop/0: /no/such/hook: no such file"):
        container.delete()
    assert container.exit_status == 137


def test_a_hook_before_the_start_that_fails_is_an_error(rootfs):
    spec = configure(str(rootfs), ["true"])
    spec.hooks.create_runtime = (Hook(path="/bin/false", args=("false",)),)
    container = Container.from_spec(spec)
    with pytest.raises(LabkitError, match="error running createRuntime hook #0"):
        container.start()
    assert container.status == "planned"


def test_one_that_waits_to_be_started_keeps_nobody_elses_end(rootfs):
    with Container(rootfs, ["sleep", "60"]).start() as first, Container(rootfs, ["true"]).create() as second:
        ended = threading.Thread(target=first.delete, daemon=True)
        ended.start()
        ended.join(DEADLINE)
        assert not ended.is_alive()
        assert second.status == "created"


def test_one_that_waits_to_be_started_shows_nothing_of_the_host(rootfs):
    with Container(rootfs, ["true"], user=1000).create() as container:
        folder = f"/proc/{container.pid}"
        # By the time its maker tells of it, it may not yet have closed what the two spoke through.
        until(lambda: len(os.listdir(f"{folder}/fd")) == 5, os.listdir(f"{folder}/fd"))
        opened = [os.readlink(f"{folder}/fd/{number}") for number in os.listdir(f"{folder}/fd") if int(number) > 2]
        assert sorted(os.path.basename(path) for path in opened) == ["exec.fifo", "start.failure"]
        # proc(5): what belongs to a process that is not dumpable is root's, whoever the process is.
        assert os.stat(f"{folder}/environ").st_uid == 0
        assert container.start().wait(timeout=60) == 0
