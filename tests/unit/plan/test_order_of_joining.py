"""The order of the steps where the parent takes part, and where namespaces are joined."""

from labkit.plan import build
from labkit.plan.facts import Facts
from labkit.plan.manner import Manner
from labkit.spec import default
from labkit.spec.model import IdMapping, Namespace, NetDevice, Seccomp, SeccompRule


def spec():
    return default.spec("/image", ("sh",))


def names(made, held=False):
    filter = ("default", b"\0" * 16)
    steps = build.child_steps(made, Facts(), "/scratch", filter, [], (), "id", Manner(held=held))
    return [type(step).__name__ for step in steps]


def before(first, second, order):
    return order.index(first) < order.index(second)


def test_a_filter_that_notifies_is_loaded_while_somebody_can_pass_its_descriptor_on():
    made = spec()
    made.linux.seccomp = Seccomp(
        default_action="SCMP_ACT_ALLOW",
        rules=(SeccompRule(names=("mkdir",), action="SCMP_ACT_NOTIFY"),),
        listener_path="/run/listener",
    )
    order = names(made, held=True)
    assert before("NoNewPrivileges", "LoadSeccomp", order)
    assert before("LoadSeccomp", "AwaitStart", order)
    made.linux.seccomp.rules = ()
    order = names(made, held=True)
    assert before("AwaitStart", "LoadSeccomp", order)


def test_interfaces_are_waited_for_before_their_parameters_are_set():
    made = spec()
    made.linux.net_devices = {"eth7": NetDevice(name="eth0")}
    made.linux.sysctl = {"net.ipv4.conf.eth0.forwarding": "1"}
    assert before("AwaitParent", "WriteSysctl", names(made))


def test_with_a_mount_namespace_joined_nothing_is_cut_off_but_the_roots_own_mount():
    made = spec()
    made.linux.namespaces = (Namespace(kind="mount", path="/ns/mnt"), Namespace(kind="uts"))
    order = names(made)
    assert before("JoinMountNamespace", "PrivateParent", order)
    assert "ChangeRoot" in order
    assert not {"PivotRoot", "PrivateMounts", "SlaveMounts"} & set(order)


def test_in_a_user_namespace_joined_nothing_is_waited_for():
    made = spec()
    made.linux.namespaces += (Namespace(kind="user", path="/ns/user"),)
    made.linux.uid_mappings = made.linux.gid_mappings = (IdMapping(host_id=100_000, size=65536),)
    order = names(made)
    assert "AwaitParent" not in order
    assert before("OpenRoot", "BecomeRoot", order)
