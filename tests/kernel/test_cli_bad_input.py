"""Each fault of a user: one clear line with a hint, the right exit status, no traceback, nothing left."""

import json
import os
import subprocess

import pytest

from labkit.cgroups.detect import detect
from labkit.engine import state
from labkit.engine.configure import configure

pytestmark = pytest.mark.root

ID = f"bad-input-{os.getpid()}"


@pytest.fixture
def refused(labkit):
    """Run `labkit run` with what cannot be; gives (exit status, message, hint) once all the rest is checked."""

    def run(*arguments, **options):
        ended = labkit("run", "--id", ID, *arguments, **options)
        lines = ended.stderr.splitlines()
        assert len(lines) == 2, ended.stderr
        assert lines[0].startswith("labkit: ")
        assert lines[1].startswith("hint: ")
        assert len(lines[1]) > len("hint: ")
        assert ended.stdout == ""
        assert not any(ID in name for name in os.listdir(state.root()))
        assert not any(os.path.exists(f"{h.path}/labkit-{ID}") for h in detect().hierarchies)
        return ended.returncode, lines[0], lines[1]

    return run


def test_a_missing_root_filesystem(refused):
    status, message, _ = refused("--rootfs", "/no/such", "true")
    assert status == 125
    assert "/no/such: No such file" in message


def test_a_file_for_a_root_filesystem(refused, tmp_path):
    (tmp_path / "image.tar").touch()
    status, message, hint = refused("--rootfs", tmp_path / "image.tar", "true")
    assert status == 125
    assert "Not a directory" in message
    assert "unpack" in hint


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--memory", "64Q"], "64Q"),
        (["--memory", "-5"], "-5"),
        (["--cpus", "many"], "many"),
        (["--pids", "0"], "'0'"),
        (["--cap-add", "CAP_FLY"], "CAP_FLY"),
        (["--seccomp", "lax"], "lax"),
        (["--namespaces", "mnt"], "mnt"),
        (["--namespaces", "pid"], "mount namespace"),
        (["--user", "nobody-here"], "nobody-here"),
        (["--volume", "/no/such:/x"], "/no/such"),
        (["--ulimit", "files=3"], "files"),
        (["--time-offset", "realtime=3"], "realtime"),
        (["--without", "NoStep"], "NoStep"),
        (["--without", "Execute"], "cannot be left out"),
        (["--cwd", "/nowhere"], "/nowhere"),
        (["--hostname", "h" * 65], "64 bytes"),
    ],
)
def test_a_value_that_cannot_be(refused, rootfs, options, word):
    status, message, _ = refused("--rootfs", rootfs, *options, "true")
    assert status == 125
    assert word in message


def test_an_id_that_cannot_name_a_folder(labkit, rootfs):
    ended = labkit("run", "--id", "../x", "--rootfs", rootfs, "true")
    assert ended.returncode == 125
    assert "'../x' is not a container id" in ended.stderr


def test_an_unknown_runtime(refused, rootfs):
    status, message, hint = refused("--rootfs", rootfs, "--runtime", "no-such-runtime", "true")
    assert status in (2, 125)
    assert "no-such-runtime" in message
    assert "runc" in hint


def test_a_malformed_line(refused, rootfs):
    assert refused("--rootfs", rootfs, "--bogus", "true")[0] == 2
    assert refused("true")[0] == 2
    assert refused("--rootfs", "--", "true")[0] == 2
    status, message, _ = refused("--rootfs", rootfs)
    assert status == 2
    assert "no command" in message


@pytest.mark.parametrize(
    ("program", "status", "word"),
    [
        ("no-such-command", 127, "command not found"),
        ("/bin/no-such-command", 127, "command not found"),
        ("/etc", 126, "is a folder"),
        ("/etc/passwd", 126, "Permission denied"),
        ("/etc/passwd/x", 127, "command not found"),
    ],
)
def test_a_command_that_is_not_there_or_cannot_be_executed(refused, rootfs, program, status, word):
    found, message, _ = refused("--rootfs", rootfs, "--", program)
    assert found == status
    assert word in message


def test_a_folder_where_a_file_is_wanted(refused, rootfs, tmp_path):
    (tmp_path / "file").touch()
    status, message, _ = refused("--rootfs", rootfs, "--volume", f"{tmp_path}/file:/etc", "true")
    assert status == 125
    assert "/etc: Is a directory" in message


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "No such file"),
        (b"{", "line 1"),
        (b'{"\xff": 1}', "UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"ociVersion": ' + b"9" * 5000 + b"}", "limit"),
        (b"[]", "must be an object"),
        (b"{}", "/ociVersion"),
        (b" " * (17 * 2**20), "16 MiB"),
    ],
)
def test_a_bundle_that_is_none(refused, tmp_path, content, word):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    status, message, _ = refused("--bundle", tmp_path)
    assert status == 125
    assert word in message


def test_a_bundle_with_a_mount_that_fails(refused, rootfs, tmp_path):
    document = configure(str(rootfs), ["true"]).dump()
    document["mounts"].append({"destination": "/tmp", "type": "no-such-filesystem"})
    (tmp_path / "config.json").write_text(json.dumps(document))
    status, message, _ = refused("--bundle", tmp_path)
    assert status == 125
    assert "MountFilesystem: no-such-filesystem: No such device" in message


@pytest.fixture
def private_run(command, rootfs, tmp_path):
    """Run `labkit run` with /run/labkit on a tmpfs of `size`, in a mount namespace of its own."""

    def run(size, inodes):
        mount = f"mkdir -p /run/labkit; mount -t tmpfs -o size={size},nr_inodes={inodes} tmpfs /run/labkit"
        fill = "dd if=/dev/zero of=/run/labkit/ballast bs=4096 2>/dev/null"
        quoted = " ".join(f"'{word}'" for word in (*command, "run", "--rootfs", str(rootfs), "true"))
        script = f"set +e; {mount} && mkdir /run/labkit/containers && {{ {fill}; {quoted}; }}"
        return subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.parametrize("inodes", [3, 4, 100])
def test_a_full_disk_for_the_state(private_run, inodes):
    """No inode for the folder, none for its file, no block for what is in it."""
    ended = private_run("8k", inodes)
    assert ended.returncode == 125
    message, hint = ended.stderr.splitlines()
    assert message == "labkit: MakeStateFolder: " + message.partition("MakeStateFolder: ")[2]
    assert "No space left on device" in message
    assert "full" in hint


def test_no_room_for_anything_is_no_traceback(labkit, rootfs):
    """A limit that not even the start of the program keeps to."""
    ended = labkit("run", "--rootfs", rootfs, "--memory", "100K", "--", "true")
    assert ended.returncode in (125, 137)
    assert "Traceback" not in ended.stderr
