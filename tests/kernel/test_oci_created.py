"""What waits to be started outlives its creator, and so does what answers for its system calls."""

import json
import os
import select
import shutil
import socket
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
    """Run `labkit-oci ARGUMENTS`, with state of its own; what the container writes goes to the file `output`."""
    made = f"created-{os.getpid()}"

    def run(verb, *arguments):
        with open(bundle / "output", "ab") as output:
            words = [*arguments, made] if verb != "exec" else [made, *arguments]
            command = [*OCI, "--root", str(bundle / "state"), verb, *words]
            where = subprocess.PIPE if verb == "state" else output
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=where, stderr=output, timeout=60)
        return json.loads(done.stdout) if verb == "state" else done.returncode

    yield run
    run("delete", "--force")


def write(bundle, args, seccomp=None, **process):
    document = default.spec("rootfs", args).dump()
    document["process"] |= process
    if seccomp:
        document["linux"]["seccomp"] = seccomp
    (bundle / "config.json").write_text(json.dumps(document))


def test_it_is_there_when_its_creator_has_ended(bundle, oci):
    write(bundle, ("true",))
    for _ in range(6):
        assert oci("create", "--bundle", str(bundle)) == 0
        assert oci("state")["status"] == "created"
        assert oci("delete", "--force") == 0


def test_a_filter_loaded_before_it_waits_need_not_allow_what_waiting_takes(bundle, oci):
    """Without no_new_privs it is loaded early, with the privilege for it."""
    refused = ["close_range", "openat", "open", "getdents64", "fcntl", "dup2", "ppoll", "select"]
    rules = [{"names": refused, "action": "SCMP_ACT_ERRNO"}]
    # A program that opens nothing: the first that it would open is its libraries, and busybox has none.
    write(bundle, ("echo", "hello"), {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, noNewPrivileges=False)
    assert oci("create", "--bundle", str(bundle)) == 0, (bundle / "output").read_text()
    assert oci("state")["status"] == "created"
    assert oci("start") == 0
    assert oci("delete", "--force") == 0
    assert (bundle / "output").read_text() == "hello\n"


def accept(server):
    """The ContainerProcessState that was sent, and the descriptor that came with it."""
    connection, _ = server.accept()
    with connection:
        data, descriptors, _, _ = socket.recv_fds(connection, 65536, 1)
    return json.loads(data), *descriptors


def listening(bundle, args):
    """A bundle whose filter notifies of mkdir, and the socket that its listener listens at."""
    path = str(bundle / "listener")
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}
    write(bundle, args, {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path, "syscalls": [rule]})
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.settimeout(60)
    server.bind(path)
    server.listen(2)
    return server


def test_a_process_added_later_has_a_descriptor_of_its_own(bundle, oci):
    with listening(bundle, ("sleep", "600")) as server:
        assert oci("create", "--bundle", str(bundle)) == 0
        assert oci("start") == 0
        first, descriptor = accept(server)
        assert oci("exec", "true") == 0
        second, another = accept(server)
    os.close(descriptor)
    os.close(another)
    assert second["state"] == {**first["state"], "status": "running"}
    assert second["pid"] != first["pid"]


def test_its_filters_descriptor_is_passed_on_before_it_waits(bundle, oci):
    with listening(bundle, ("sh", "-c", "echo begun")) as server:
        assert oci("create", "--bundle", str(bundle)) == 0
        process, descriptor = accept(server)
    state = process["state"]
    assert (state["status"], state["bundle"]) == ("creating", str(bundle))
    found = oci("state")
    assert (found["status"], found["pid"]) == ("created", state["pid"])
    pidfd = os.pidfd_open(state["pid"])
    assert oci("start") == 0
    ended, _, _ = select.select([pidfd], [], [], 60)
    os.close(pidfd)
    os.close(descriptor)
    assert ended
    assert (bundle / "output").read_text() == "begun\n"
