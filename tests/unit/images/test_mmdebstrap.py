import os
import select
from pathlib import Path

import pytest

from labkit.errors import LabkitError, MissingError
from labkit.images import debian, mmdebstrap
from labkit.images.mmdebstrap import Mmdebstrap, Progress
from labkit.images.progress import reporting, silent
from labkit.images.reference import Reference

OUTPUT = """I: automatically chosen mode: root
I: running apt-get update...
Get:1 http://deb.debian.org/debian bookworm InRelease [151 kB]
I: downloading packages with apt...
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://deb.debian.org/debian bookworm/main amd64 base-files amd64 12 [70 kB]
Get:2 http://deb.debian.org/debian bookworm/main amd64 bash amd64 5.2 [1490 kB]
I: extracting archives...
I: installing essential packages...
Unpacking base-files (12) ...
Setting up base-files (12) ...
I: installing remaining packages inside the chroot...
0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://deb.debian.org/debian bookworm/main amd64 procps amd64 2 [1 kB]
Unpacking procps (2) ...
Setting up procps (2) ...
I: cleaning package lists and apt cache...
"""


@pytest.fixture
def lock(tmp_path):
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def run(lock):
    return Mmdebstrap(Reference("debian", "bookworm"), lock, silent)


def test_progress_only_grows_and_has_one_text_a_phase():
    told = []
    progress = Progress(lambda fraction, text: told.append((fraction, text)))
    for line in OUTPUT.splitlines():
        progress.read(line)
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert 0.0 <= fractions[0] < fractions[-1] <= 1.0
    assert len(dict.fromkeys(text for _, text in told)) == 6


def test_a_log_has_one_line_a_phase(capsys):
    with reporting("image 'debian'", shown=True) as report:
        progress = Progress(report)
        for line in OUTPUT.splitlines():
            progress.read(line)
    assert len(capsys.readouterr().err.splitlines()) == 6


def test_what_is_not_shown_prints_nothing(capsys):
    with reporting("image 'debian'", shown=False) as report:
        report(0.5, "half")
    assert capsys.readouterr() == ("", "")


def failing(*lines):
    return ["sh", "-c", 'printf "%s\\n" "$@" >&2; exit 25', "sh", *lines]


def test_a_failed_build_tells_what_apt_said_first(run):
    lines = (
        "I: running",
        "E: Unable to locate package nosuch",
        "E: setup failed: E: apt-get failed",
        "E: failed to run",
    )
    with pytest.raises(LabkitError, match="image 'debian:bookworm': Unable to locate package nosuch"):
        run(failing(*lines))


def test_a_build_that_fails_without_a_word_tells_its_status(run):
    with pytest.raises(LabkitError, match="ended with status 25"):
        run(failing("I: nothing"))


@pytest.mark.parametrize(
    "line",
    [
        "dpkg: error processing archive x.deb: cannot copy extracted data: failed to write (No space left on device)",
        "E: You don't have enough free space in /var/cache/apt/archives/.",
    ],
)
def test_a_full_disk_is_told_as_such(run, line):
    with pytest.raises(LabkitError, match="no space left on the disk"):
        run(failing("E: something else first", line))


def test_a_program_that_is_missing_is_named(run):
    with pytest.raises(MissingError, match="labkit-no-such-program is not installed"):
        run(["labkit-no-such-program"])


def test_an_interrupt_ends_all_processes_of_the_build(monkeypatch):
    monkeypatch.setattr(mmdebstrap, "GRACE", 0.05)
    gone, held = os.pipe()

    def interrupted(fraction, text):
        raise KeyboardInterrupt

    # The shell and its child hold the write end: the pipe hangs up when both are dead. Both ignore SIGTERM.
    run = Mmdebstrap(Reference("debian", "bookworm"), held, interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", "trap '' TERM; sleep 1000 & echo 'Get:1 x'; wait"])
    os.close(held)
    ended = select.poll()
    ended.register(gone)
    assert ended.poll(10_000) == [(gone, select.POLLHUP)]
    os.close(gone)


def test_without_mmdebstrap_the_line_to_install_it_is_told(tmp_path, monkeypatch, lock):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError) as raised:
        debian.build(Reference("debian", "bookworm"), tmp_path, lock, silent)
    assert raised.value.hint == "sudo apt-get install mmdebstrap debian-archive-keyring"


def program(folder: Path, name: str, output: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\nwhile read -r line; do echo \"$line\"; done <<'END'\n{output}END\n")
    (folder / name).chmod(0o755)


def test_of_the_hosts_sources_those_of_debian_and_of_the_suite_are_used(tmp_path, monkeypatch):
    program(
        tmp_path,
        "apt-get",
        "http://mirror/debian/ bookworm main $(ORIGIN)\n"
        "http://mirror/debian/ bookworm contrib Debian\n"
        "http://mirror/x/ bookworm-security main Debian\n"
        "https://apt.example.org/ bookworm main Example\n"
        "https://apt.example.org/ bookworm main $(ORIGIN)\n"
        "http://mirror/debian/ trixie main Debian\n",
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    signed = f"deb [signed-by={debian.KEYRING}]"
    expected = [f"{signed} http://mirror/debian/ bookworm main", f"{signed} http://mirror/x/ bookworm-security main"]
    assert debian._host_sources("bookworm") == expected
    assert debian._host_sources("sid") == []


def test_the_hosts_proxy_for_apt_is_handed_on(tmp_path, monkeypatch):
    program(tmp_path, "apt-config", 'Acquire::http "";\nAcquire::http::Proxy "http://proxy:3128/";\n')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debian._host_proxies() == ['Acquire::http::Proxy "http://proxy:3128/";']


def test_installed_packages_are_read_from_the_database_of_dpkg(tmp_path):
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(
        "Package: fio\nStatus: install ok installed\nVersion: 3.33-3\nDescription: x\n more: text\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    assert debian._installed(tmp_path) == ["fio 3.33-3"]
