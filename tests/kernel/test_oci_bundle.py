"""What a bundle may leave to the runtime, and options beside it: HOME, the working folder, descriptors, --config."""

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
    """Run `labkit-oci ARGUMENTS`, with state of its own; afterwards every container there is deleted."""

    def run(*arguments, **options):
        command = [*OCI, "--root", str(bundle / "state"), *arguments]
        options = {"capture_output": True} | options
        return subprocess.run(command, cwd=bundle, stdin=subprocess.DEVNULL, text=True, timeout=60, **options)

    yield run
    assert run("delete", "--force", "--regex", ".").returncode == 0
    assert os.listdir(bundle / "state") == []


def write(bundle, args, name="config.json", annotations=None, **process):
    document = default.spec("rootfs", args).dump()
    document["process"] |= {"env": ["PATH=/bin"], **process}
    document["annotations"] = annotations or {}
    (bundle / name).write_text(json.dumps(document))


@pytest.mark.parametrize(("uid", "home"), [(0, "/root"), (1234, "/var/empty"), (99, "/")])
def test_home_is_that_of_the_images_passwd(bundle, oci, uid, home):
    (bundle / "rootfs/etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1234:5::/var/empty:/bin/sh\n")
    write(bundle, ("sh", "-c", "echo $HOME"), user={"uid": uid, "gid": 0})
    assert oci("run", f"home-{os.getpid()}").stdout == f"{home}\n"


@pytest.mark.parametrize("passwd", ["missing", "fifo"])
def test_home_is_the_root_where_the_image_does_not_say(bundle, oci, passwd):
    (bundle / "rootfs/etc/passwd").unlink(missing_ok=True)
    if passwd == "fifo":
        os.mkfifo(bundle / "rootfs/etc/passwd")
    write(bundle, ("sh", "-c", "echo $HOME"))
    assert oci("run", f"home-{os.getpid()}").stdout == "/\n"


def test_a_home_that_is_given_stays(bundle, oci):
    write(bundle, ("sh", "-c", "echo $HOME"), env=["PATH=/bin", "HOME=/mine"])
    assert oci("run", f"home-{os.getpid()}").stdout == "/mine\n"


def test_a_working_folder_that_is_missing_is_made(bundle, oci):
    write(bundle, ("pwd",), cwd="/not/there")
    assert oci("run", f"cwd-{os.getpid()}").stdout == "/not/there\n"


def test_another_configuration_than_the_bundles(bundle, oci):
    write(bundle, ("echo", "usual"))
    write(bundle, ("echo", "other"), name="other.json")
    assert oci("run", "--config", "other.json", f"config-{os.getpid()}").stdout == "other\n"


def test_of_the_descriptors_to_preserve_those_that_are_open_are_passed(bundle, oci):
    write(bundle, ("sh", "-c", 'for f in /proc/1/fd/*; do [ "$f" != /proc/1/fd/10 ] && echo "${f##*/}"; done'))
    null = os.open("/dev/null", os.O_RDONLY)
    high = os.dup2(null, 40)
    try:
        done = oci("run", "--preserve-fds", "60", f"fds-{os.getpid()}", pass_fds=(high,))
    finally:
        os.close(null)
        os.close(high)
    assert done.returncode == 0
    assert "40" in done.stdout.split()


def test_the_callers_groups_stay_where_the_annotation_asks(bundle, oci):
    for annotations, groups in (({}, []), ({"run.oci.keep_original_groups": "1"}, ["7", "8"])):
        write(bundle, ("grep", "Groups:", "/proc/self/status"), annotations=annotations)
        done = oci("run", f"groups-{os.getpid()}", extra_groups=[7, 8])
        assert done.stdout.split()[1:] == groups


def test_delete_takes_all_whose_id_an_expression_finds(bundle, oci):
    write(bundle, ("sleep", "600"))
    ids = [f"{name}-{os.getpid()}" for name in ("one", "two", "three")]
    for id in ids:
        # Their standard output is what waits to be started has: a pipe would not end.
        assert oci("create", id, capture_output=False).returncode == 0
    assert oci("delete", "--regex", "^(one|two)-").returncode == 0
    assert os.listdir(bundle / "state") == [ids[2]]
    assert "not a regular expression" in oci("delete", "--regex", "(").stderr
