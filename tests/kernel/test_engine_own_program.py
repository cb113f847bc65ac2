"""The engine's own program, a Python interpreter of the host, is not run as the container's (CVE-2019-5736)."""

import os
import shutil

import pytest

from labkit import Container
from labkit.errors import StepError

pytestmark = pytest.mark.root


@pytest.fixture
def own_rootfs(busybox_rootfs, tmp_path):
    shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)
    return tmp_path / "rootfs"


def script(path, first_line):
    path.write_text(f"{first_line}\n")
    path.chmod(0o755)


def test_by_a_link_of_procfs(own_rootfs):
    (own_rootfs / "bin/innocent").symlink_to("/proc/self/exe")
    script(own_rootfs / "bin/script", "#!/proc/self/exe")
    script(own_rootfs / "bin/deeper", "#! /bin/script -x")
    for command in ("/proc/self/exe", "innocent", "script", "deeper"):
        with pytest.raises(StepError, match="the engine's own program") as caught:
            Container(own_rootfs, [command]).run(timeout=60)
        assert caught.value.exit_status == 126


def test_nor_by_a_further_process(own_rootfs):
    with Container(own_rootfs, ["sleep", "60"]).start() as container:
        with pytest.raises(StepError, match="the engine's own program"):
            container.exec(["/proc/self/exe"])
        assert container.status == "running"


def test_without_the_step_it_is_run(own_rootfs):
    # It finds neither its loader nor its libraries in this image, which an attacker's would have.
    with pytest.raises(StepError, match="Execute: /proc/self/exe: command not found"):
        Container(own_rootfs, ["/proc/self/exe"], without=["GuardInterpreter"]).run(timeout=60)


def test_scripts_and_links_of_the_image_run(own_rootfs):
    script(own_rootfs / "bin/greeting", "#!/bin/sh\necho hello from $0")
    (own_rootfs / "bin/hello").symlink_to("greeting")
    assert Container(own_rootfs, ["greeting"]).run(timeout=60).text == "hello from /bin/greeting\n"
    assert Container(own_rootfs, ["/bin/hello"]).run(timeout=60).text == "hello from /bin/hello\n"


def test_the_hosts_own_interpreter_runs_where_it_is_shown(tmp_path):
    """In a container of the host's own files it is the image's program like any other."""
    interpreter = os.path.realpath("/proc/self/exe")
    done = Container("/", [interpreter, "-I", "-S", "-c", "print('hi')"], readonly=True).run(timeout=60)
    assert (done.exit_status, done.text) == (0, "hi\n")
