"""Limits of memory, seen to bite, and not before."""

import os
import select
import shutil
import subprocess

import pytest

from labkit.cgroups import events, statistics
from labkit.cgroups.detect import detect
from labkit.spec.model import Memory

pytestmark = pytest.mark.root

MIB = 2**20
# Each takes so much memory at once, and says how it ended.
TAKE = "dd if=/dev/zero of=/dev/null bs={} count=1 2>/dev/null; echo $?"


def test_an_allocation_below_the_limit_lives_and_one_above_is_killed_for_it(limited, talk, folders, need, line):
    need("memory")
    script = """
        dd if=/dev/zero of=/dev/null bs=40M count=1 2>/dev/null; echo $?
        read go; dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; echo $?
        read go"""
    with limited(script, memory=Memory(limit=64 * MIB, swap=64 * MIB)) as container:
        stdin, stdout = talk(container)
        assert line(stdout) == "0"
        cgroups = folders(container)
        assert events.reason_of_death(cgroups) is None
        watched = events.open_oom(cgroups)
        os.write(stdin, b"\n")
        assert select.select([watched], [], [], 30)[0]
        os.read(watched, 4096)
        os.close(watched)
        assert line(stdout) == "137"
        assert events.oom_kills(cgroups) == 1
        assert events.reason_of_death(cgroups) == "killed: out of memory, limit 64 MiB, peak 64 MiB"


def test_a_process_whose_killer_is_disabled_waits_at_its_limit(limited, talk, folders, line):
    if detect().of("memory") is None or detect().of("memory").version == 2:
        pytest.skip("cgroup v2 cannot disable the OOM killer")
    # By the program's own writes: a read(2) into memory that cannot be had comes back short in place of waiting.
    script = """echo ready; read go; awk 'BEGIN { x = "a"; while (length(x) < 1e8) x = x x }'; echo $?"""
    memory = Memory(limit=32 * MIB, swap=32 * MIB, disable_oom_killer=True, swappiness=0)
    with limited(script, memory=memory) as container:
        stdin, stdout = talk(container)
        assert line(stdout) == "ready"
        watched = events.open_oom(folders(container))
        os.write(stdin, b"\n")
        assert select.select([watched], [], [], 30)[0]
        os.close(watched)
        assert events.oom_kills(folders(container)) == 0
        assert not select.select([stdout], [], [], 0.1)[0]


@pytest.fixture
def swap():
    """Swap on this host: what it has, or for the test 64 MiB of compressed memory.

    Not a file: one on a loop device can wait, at the limit, for memory of its own.
    """
    with open("/proc/swaps") as swaps:
        if len(swaps.readlines()) > 1:
            yield
            return
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "zram"], capture_output=True)
    control = "/sys/class/zram-control"
    if shutil.which("mkswap") is None or not os.path.exists(control):
        pytest.skip("this host has no swap, and mkswap or the module zram are missing")
    with open(f"{control}/hot_add") as added:
        number = added.read().strip()
    try:
        with open(f"/sys/block/zram{number}/disksize", "w") as size:
            size.write(str(64 * MIB))
        if not os.path.exists(f"/dev/zram{number}"):
            pytest.skip("this host does not make nodes of new devices")
        subprocess.run(["mkswap", f"/dev/zram{number}"], check=True, capture_output=True)
        subprocess.run(["swapon", f"/dev/zram{number}"], check=True)
        yield
        subprocess.run(["swapoff", f"/dev/zram{number}"], check=True, timeout=60)
    finally:
        with open(f"{control}/hot_remove", "w") as removed:
            removed.write(number)


@pytest.mark.usefixtures("swap")
def test_swap_is_counted_together_with_memory(limited, need, folders, talk, line):
    need("memory")
    with limited("read go", memory=Memory(limit=32 * MIB)) as container:
        talk(container)
        files = ("memory.memsw.limit_in_bytes", "memory.swap.max")
        if not any(os.path.exists(f"{folder}/{file}") for folder in folders(container) for file in files):
            pytest.skip("this kernel counts no swap")
    script = f"{TAKE.format('32M')}; read go; {TAKE.format('80M')}; read go"
    with limited(script, memory=Memory(limit=24 * MIB, swap=64 * MIB)) as container:
        stdin, stdout = talk(container)
        assert line(stdout) == "0"
        memory = statistics.read(folders(container))["memory"]
        assert (memory["usage"]["limit"], memory["swap"]["limit"]) == (24 * MIB, 64 * MIB)
        os.write(stdin, b"\n")
        assert line(stdout) == "137"


def test_a_memory_high_of_unified_presses_back_and_kills_nobody(limited, need, folders, talk, line, tmp_path):
    need("memory", version=2)
    with open(tmp_path / "file", "wb") as file:
        file.write(bytes(48 * MIB))
        file.flush()
        os.fsync(file.fileno())
        # What is cached already is counted where it was written.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    script = "cat /disk/file > /dev/null; echo $?; read go"
    unified = {"memory.high": str(16 * MIB)}
    with limited(script, volumes=[f"{tmp_path}:/disk"], unified=unified) as container:
        _, stdout = talk(container)
        assert line(stdout) == "0"
        found = statistics.read(folders(container))["memory"]
        assert found["event_count"]["high"] > 0
        assert found["usage"]["usage"] <= 20 * MIB
        assert events.oom_kills(folders(container)) == 0


def test_with_the_group_of_unified_all_die_of_one(limited, need, talk):
    need("memory", version=2)
    memory = Memory(limit=32 * MIB, swap=32 * MIB)
    script = f"echo ready; read go; {TAKE.format('100M')}"
    for unified, ends in (({}, 0), ({"memory.oom.group": "1"}, 137)):
        with limited(script, memory=memory, unified=unified) as container:
            stdin, stdout = talk(container)
            assert select.select([stdout], [], [], 30)[0]
            os.write(stdin, b"\n")
            assert container.wait(30) == ends


def test_what_is_asked_of_memory_besides_is_in_the_kernels_files(limited, need, folders, setting):
    need("memory")
    memory = Memory(limit=64 * MIB, reservation=32 * MIB, use_hierarchy=True, swappiness=7, kernel=MIB, kernel_tcp=MIB)
    with limited("sleep 60", memory=memory) as container:
        notes = container.plan.notes
        container.start()
        cgroups = folders(container)
        assert setting(cgroups, "memory.soft_limit_in_bytes", "memory.low") == str(32 * MIB)
        assert setting(cgroups, "memory.use_hierarchy") in (None, "1")
        v1 = detect().of("memory").version == 1
        assert setting(cgroups, "memory.swappiness") == ("7" if v1 else None)
        # What is not kept is said.
        assert any("memory.kernel is left out" in note for note in notes)
        assert any("memory.swappiness is left out" in note for note in notes) == (not v1)
        tcp = setting(cgroups, "memory.kmem.tcp.limit_in_bytes")
        assert tcp == str(MIB) or any("memory.kernelTCP is left out" in note for note in notes)
