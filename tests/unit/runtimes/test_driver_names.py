"""The names by which drivers are asked for, and what is said of those that this host cannot have."""

import pytest

from labkit import runtimes
from labkit.errors import LabkitError
from labkit.runtimes.runsc import Runsc


@pytest.mark.parametrize(
    "name",
    [*runtimes.ALL, "podman:runsc-ptrace+network=host", "runsc-systrap+directfs=true", "microvm+machine=microvm"],
)
def test_every_driver_goes_by_its_name(name):
    assert runtimes.driver(name).name == name


def test_options_of_runsc_are_flags_and_parameters():
    driver = runtimes.driver("runsc-ptrace+network=host+overlay2=none")
    assert isinstance(driver, Runsc)
    assert driver.flags == ("--platform=ptrace", "--network=host", "--overlay2=none")
    assert driver.parameters == "platform=ptrace, network=host, overlay2=none"


@pytest.mark.parametrize("name", ["docker", "podman:nothing", "docker:runc", "podman:host", "runsc-ptrace+network",
                                  "microvm+machine", "microvm+machine=pc", "microvm+network=host"])  # fmt: skip
def test_an_unknown_name_is_one_clear_error(name):
    with pytest.raises(LabkitError) as caught:
        runtimes.driver(name)
    assert caught.value.exit_status == 2
    assert caught.value.hint


@pytest.mark.parametrize("name", runtimes.UPSTREAM)
def test_what_debian_does_not_have_names_upstreams_page(name, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("labkit.runtimes.oci.OciRuntime.path", lambda self: None)
    probe = runtimes.driver(name).probe()
    assert not probe.available
    assert probe.reason
    assert "https://" in probe.remedy or "apt-get" in probe.remedy


def test_crun_without_libkrun_says_so(monkeypatch, tmp_path):
    script = tmp_path / "crun"
    script.write_text('#!/bin/sh\n[ "$1" = features ] && exit 1\necho crun version 1.8.1; echo "+SYSTEMD +SECCOMP"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    probe = runtimes.driver("crun-krun").probe()
    assert (probe.available, probe.version) == (False, "1.8.1")
    assert "without libkrun" in probe.reason


def test_features_of_a_runtime_too_old_to_have_them_are_none(monkeypatch, tmp_path):
    script = tmp_path / "runc"
    script.write_text("#!/bin/sh\necho no such command >&2; exit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    driver = runtimes.driver("runc")
    assert driver.features() == {}
    script.write_text('#!/bin/sh\necho \'{"ociVersionMax": "1.2.0"}\'\n')
    assert driver.features() == {"ociVersionMax": "1.2.0"}
    script.write_text("#!/bin/sh\necho '[garbage'\n")
    assert driver.features() == {}
