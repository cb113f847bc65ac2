"""The attempts of the chapter on capabilities, and what execve makes of the five sets, against this kernel."""

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.errors import SpecError
from labkit.nb import capabilities
from labkit.spec.model import CapabilitySets

pytestmark = pytest.mark.root

# Those that any kernel has, and any root that can make a container at all.
GIVEN = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SETUID")


@pytest.fixture(scope="module")
def frame(busybox_rootfs):
    return capabilities.measure(busybox_rootfs, GIVEN)


def test_nothing_is_let_through_without_a_capability(frame):
    bare = frame[frame["given"] == capabilities.NOTHING].set_index("capability")["permitted"]
    # What is set for everybody on a host: kernel.unprivileged_bpf_disabled, perf_event_paranoid, dmesg_restrict, …
    settings = {"CAP_BPF", "CAP_PERFMON", "CAP_SYSLOG", "CAP_LINUX_IMMUTABLE"}
    assert set(bare.index[bare]) <= settings


@pytest.mark.parametrize("name", GIVEN)
def test_each_alone_opens_its_own_door(frame, name):
    rows = frame[(frame["capability"] == name) & (frame["given"] == name)]
    assert rows["permitted"].tolist() == [True], rows["words"].tolist()


def test_each_alone_opens_no_other_but_those_that_are_known(frame):
    opened = frame[frame["permitted"] & frame["given"].isin(GIVEN) & (frame["capability"] != frame["given"])]
    bare = set(frame.loc[frame["permitted"] & (frame["given"] == capabilities.NOTHING), "capability"])
    pairs = {(row.given, row.capability) for row in opened.itertuples() if row.capability not in bare}
    known = {("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")}
    known |= {("CAP_SYS_ADMIN", name) for name in ("CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE", "CAP_SYSLOG")}
    assert pairs <= known


def test_the_five_sets_after_execve_are_those_of_the_manual_page(busybox_rootfs):
    found = capabilities.over_execve(busybox_rootfs)
    assert [one.case.what for one in found if not one.agrees] == []
    assert "8 of 8" in capabilities.execve_sentence(found)


def test_inheritable_beyond_bounding_is_said_before_anything_is_made(rootfs):
    spec = configure(str(rootfs), ["true"])
    spec.process.capabilities = CapabilitySets(inheritable=("CAP_KILL",), bounding=("CAP_CHOWN",))
    with pytest.raises(SpecError, match=r"/process/capabilities/inheritable: must be among the bounding.*CAP_KILL"):
        Container.from_spec(spec)
