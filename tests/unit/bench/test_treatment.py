import os

import pytest

from labkit.bench.startup import AGAIN
from labkit.bench.treatment import treatment
from labkit.errors import LabkitError
from labkit.linux.capabilities import names, read_sets
from labkit.runtimes import bundle
from labkit.runtimes.labkit import Labkit
from labkit.spec.model import Mount


@pytest.fixture
def spec():
    made = bundle.spec("/rootfs", ("true",))
    made.mounts += (Mount(destination="/scratch", kind="bind", source="/a", options=("bind", "rw")),)
    return made


def test_a_runtime_gets_everybody_s_bundle_as_it_is(spec):
    before = spec.dump()
    treatment("crun").alter(spec)
    assert spec.dump() == before


def test_the_control_is_the_baseline_once_more_under_another_label():
    one, other = treatment("runc"), treatment(AGAIN)
    assert (one.label, other.label) == ("runc", AGAIN)
    assert type(one.runtime) is type(other.runtime)
    assert one.runtime.parameters == other.runtime.parameters


def test_the_bare_host_has_its_files_and_nothing_of_a_container(spec):
    one = treatment("host")
    assert isinstance(one.runtime, Labkit)
    one.alter(spec)
    assert [namespace.kind for namespace in spec.linux.namespaces] == ["mount"]
    assert spec.linux.seccomp is None
    assert not spec.process.no_new_privileges
    assert spec.linux.masked_paths == spec.linux.readonly_paths == ()
    assert not spec.linux.resources.dump()
    assert {"/scratch", "/proc", "/dev"} <= {mount.destination for mount in spec.mounts}


def test_the_bare_host_keeps_all_privileges_of_who_measures(spec):
    treatment("host").alter(spec)
    assert spec.process.capabilities.effective == tuple(names(read_sets()["permitted"]))
    if os.geteuid() == 0:
        assert "CAP_CHOWN" in spec.process.capabilities.effective


def test_gvisor_serves_from_its_own_network_stack_and_works_without_one():
    one = treatment("runsc-ptrace")
    assert one.served is not None
    assert one.served.parameters != one.runtime.parameters
    assert "sandbox" in one.served.parameters


def test_a_microvm_is_plugged_into_a_bridge_and_nothing_else_is():
    assert treatment("microvm").plugged
    assert not treatment("runc").plugged


def test_an_unknown_label_is_refused():
    with pytest.raises(LabkitError):
        treatment("rnuc")
