import os

from labkit.nb.observe import Look, Mount, changes, filled, inside, outside


def test_a_value_that_differs_is_told_with_both():
    before, after = Look({"umask": "0022", "session": "1"}), Look({"umask": "0000", "session": "1"})
    assert changes(before, after) == ["umask: 0022 → 0000"]


def test_a_value_that_is_new_is_told_alone():
    assert changes(Look(), Look({"pids: pids.max": "32"})) == ["pids: pids.max: 32"]


def test_of_a_set_what_is_new_and_what_is_gone_is_told():
    before, after = Look(sets={"nodes": frozenset("ab")}), Look(sets={"nodes": frozenset("bc")})
    assert changes(before, after) == ["nodes: new c", "nodes: gone a"]


def test_a_long_list_is_cut_and_counted():
    (line,) = changes(Look(), Look(sets={"nodes": frozenset("abcdefgh")}))
    assert line == "nodes: new a, b, c, d and 4 more"


def looks(old, new):
    return Look(mounts=old, mount_namespace="mnt:[1]"), Look(mounts=new, mount_namespace="mnt:[1]")


def test_mounts_are_known_by_number():
    old = {"1": Mount("/x", "tmpfs", "rw"), "2": Mount("/y", "proc", "rw"), "3": Mount("/z", "sysfs", "rw")}
    new = {"1": Mount("/", "tmpfs", "rw"), "3": Mount("/z", "sysfs", "ro"), "4": Mount("/dev", "tmpfs", "rw")}
    assert changes(*looks(old, new)) == [
        "mounted: /dev (tmpfs; rw)",
        "unmounted: /y",
        "1 mounts have another place, the first /x → /",
        "mount /z: rw → ro",
    ]


def test_the_copies_in_a_new_mount_namespace_are_no_new_mounts():
    before, after = looks({"1": Mount("/", "ext4", "rw")}, {"9": Mount("/", "ext4", "rw")})
    after.mount_namespace = "mnt:[2]"
    assert changes(before, after) == []


def test_many_mounts_with_other_options_are_counted_and_a_few_shown():
    old, new = ({str(n): Mount(f"/{n}", "tmpfs", options) for n in range(9)} for options in ("rw,shared", "rw"))
    lines = changes(*looks(old, new))
    assert lines[:2] == ["9 mounts have other options; of them:", "mount /0: rw,shared → rw"]
    assert len(lines) == 5


def test_what_can_no_longer_be_seen_is_no_change():
    before = Look({"umask": "0022", "program": "cat"}, {"nodes": frozenset("a")})
    assert changes(before, filled(Look({"umask": "0000"}), before)) == ["umask: 0022 → 0000"]


def test_a_process_is_looked_at():
    seen = inside(os.getpid())
    assert seen.values["uts namespace"] == "the host's"
    assert seen.values["working folder"] == os.getcwd()
    assert "/proc" in {mount.place for mount in seen.mounts.values()}
    assert changes(seen, seen) == []


def test_a_process_that_is_gone_shows_nothing():
    assert inside(2**22 + 1) == Look()


def test_a_container_that_is_none_has_no_cgroup_and_no_state():
    seen = outside("no-such-container-0")
    assert (seen.values, seen.sets) == ({}, {"cgroups on the host": frozenset()})
