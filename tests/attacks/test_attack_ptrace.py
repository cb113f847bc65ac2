"""Tracing the process that joins a container: its memory, its descriptors, its program (CVE-2016-9962).

Until its execve that process is the engine's, and by its number whoever runs in the same pid namespace finds it. What
defends: NotDumpable, with which procfs and ptrace(2) treat it as another user's: without CAP_SYS_PTRACE there is no way
in (proc_pid_mem(5), ptrace(2), "Ptrace access mode checking").
"""

import os

import pytest
from weakened import insert, run_plan

from labkit import Container
from labkit.engine import execute, state
from labkit.engine.configure import further
from labkit.plan.execute import Execute
from labkit.plan.manner import Manner

pytestmark = pytest.mark.root

LOOK = """
readlink /proc/$0/exe && echo exe
ls /proc/$0/fd/0 > /dev/null && echo fd
head -c 1 /proc/$0/environ > /dev/null && echo environ
: < /proc/$0/mem && echo mem
"""


@pytest.mark.parametrize("weaker", [False, True])
def test_the_process_that_joins(own_rootfs, tmp_path, weaker):
    with Container(own_rootfs, ["sleep", "600"]).start() as container:
        joined = state.load(container.id, state.root())
        plan = execute.prepare(joined, further(container.spec, ["true"], str(own_rootfs)), Manner())
        plan = plan.without(["NotDumpable"]) if weaker else plan
        arrived, come = os.pipe2(os.O_CLOEXEC)
        go, left = os.pipe2(os.O_CLOEXEC)

        def stand_still(scene):
            os.write(come, str(os.getpid()).encode())
            os.read(go, 1)

        # It has given its privileges up by now: of one that has more than they, they would see nothing anyway.
        plan.child = insert(Execute, stand_still)(plan.without(["CloseInherited"]).child)
        attacker = os.fork()
        if attacker == 0:
            look(container, arrived, left, tmp_path / "seen")
        assert run_plan(plan).status == 0
        assert os.waitpid(attacker, 0)[1] == 0
        for descriptor in (arrived, come, go, left):
            os.close(descriptor)
        seen = (tmp_path / "seen").read_text().split()
    names = {"exe", "fd", "environ", "mem"}
    assert names & set(seen) == (names if weaker else set())


def look(container, arrived, left, file):
    """In a process of its own, while the other stands still: what is seen from inside the container."""
    status = 1
    try:
        number = os.read(arrived, 20).decode()
        file.write_text(container.exec(["sh", "-c", LOOK, number], timeout=30).text)
        status = 0
    finally:
        os.write(left, b"\0")
        os._exit(status)
