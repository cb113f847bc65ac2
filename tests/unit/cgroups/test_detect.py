"""Layouts of real hosts, as their /proc/self/mountinfo and /proc/self/cgroup recorded them."""

from labkit.cgroups import detect
from labkit.cgroups.detect import parse

V1 = """\
23 29 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
31 23 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
32 31 0:28 / /sys/fs/cgroup/systemd rw,nosuid shared:10 - cgroup cgroup rw,xattr,name=systemd
35 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:13 - cgroup cgroup rw,cpu,cpuacct
36 31 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:14 - cgroup cgroup rw,memory
37 31 0:33 / /sys/fs/cgroup/pids rw,nosuid shared:15 - cgroup cgroup rw,pids
"""
V1_OWN = """\
5:memory:/user.slice
4:cpu,cpuacct:/
3:pids:/user.slice/user-0.slice/session-1.scope
1:name=systemd:/user.slice/user-0.slice/session-1.scope
"""
UNIFIED = "38 31 0:34 / /sys/fs/cgroup/unified rw,nosuid shared:11 - cgroup2 cgroup2 rw,nsdelegate\n"
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
ROOTLESS = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n"
# Docker on v1, without a cgroup namespace: the container's own cgroup is what is mounted.
NESTED = """\
812 800 0:32 /docker/4f3 /sys/fs/cgroup/memory ro,nosuid master:14 - cgroup cgroup rw,memory
813 800 0:33 /docker/4f3 /sys/fs/cgroup/pids ro,nosuid master:15 - cgroup cgroup rw,pids
"""
NESTED_OWN = "5:memory:/docker/4f3\n3:pids:/docker/4f3/inner\n"


def read(mountinfo, own, controllers=()):
    return parse(mountinfo, own, lambda mount: controllers)


def paths(layout):
    return {hierarchy.controllers: hierarchy.path for hierarchy in layout.hierarchies}


def test_v1_with_controllers_mounted_together():
    layout = read(V1, V1_OWN)
    assert layout.mode == "v1"
    assert paths(layout) == {
        ("name=systemd",): "/sys/fs/cgroup/systemd/user.slice/user-0.slice/session-1.scope",
        ("cpu", "cpuacct"): "/sys/fs/cgroup/cpu,cpuacct",
        ("memory",): "/sys/fs/cgroup/memory/user.slice",
        ("pids",): "/sys/fs/cgroup/pids/user.slice/user-0.slice/session-1.scope",
    }
    assert layout.of("cpuacct").mount == "/sys/fs/cgroup/cpu,cpuacct"
    assert layout.of("devices") is None
    assert layout.v2() is None


def test_hybrid_has_the_unified_tree_beside_v1():
    layout = read(V1 + UNIFIED, V1_OWN + "0::/user.slice/user-0.slice/session-1.scope\n")
    assert layout.mode == "hybrid"
    assert layout.v2().path == "/sys/fs/cgroup/unified/user.slice/user-0.slice/session-1.scope"
    assert ("unified", "cgroup2", ()) in layout.mounts()
    assert ("cpu,cpuacct", "cgroup", ("cpu", "cpuacct")) in layout.mounts()
    assert ("systemd", "cgroup", ("none", "name=systemd")) in layout.mounts()


def test_v2_of_an_ordinary_user_under_systemd():
    layout = read(V2, ROOTLESS, ("cpu", "memory", "pids"))
    assert layout.mode == "v2"
    assert layout.of("memory").path == "/sys/fs/cgroup" + ROOTLESS[3:].strip()
    assert layout.mounts() == (("", "cgroup2", ()),)


def test_nested_in_a_container_the_mounted_root_is_not_counted_twice():
    layout = read(NESTED, NESTED_OWN)
    assert paths(layout) == {("memory",): "/sys/fs/cgroup/memory", ("pids",): "/sys/fs/cgroup/pids/inner"}


def test_a_cgroup_outside_the_namespace_has_no_folder_below_the_mount():
    assert read(V2, "0::/../../other\n").hierarchies[0].path == "/sys/fs/cgroup"


def test_a_tree_mounted_twice_counts_once():
    twice = V2 + V2.replace("/sys/fs/cgroup ", "/elsewhere ")
    assert [hierarchy.mount for hierarchy in read(twice, ROOTLESS).hierarchies] == ["/sys/fs/cgroup"]


def test_a_host_without_cgroups():
    layout = read("23 29 0:22 / /sys rw - sysfs sysfs rw\n", "")
    assert layout.mode == "none"
    assert layout.mounts() == ()


def test_blanks_in_a_mount_point():
    line = V2.replace("/sys/fs/cgroup ", "/my\\040cgroups ")
    assert read(line, "0::/\n").hierarchies[0].mount == "/my cgroups"


def test_cgroups_are_named_as_their_trees_are_mounted():
    folders = ["/sys/fs/cgroup/cpu,cpuacct/x", "/sys/fs/cgroup/memory/y"]
    assert read(V1, V1_OWN).named(folders) == {"cpu,cpuacct": folders[0], "memory": folders[1]}
    assert read(V2, ROOTLESS).named(["/sys/fs/cgroup/z"]) == {"": "/sys/fs/cgroup/z"}


def test_what_has_changed_on_the_host_since_is_noticed(monkeypatch):
    files = {"/proc/self/mountinfo": V1, "/proc/self/cgroup": V1_OWN, "/sys/fs/cgroup/unified/cgroup.controllers": "io"}
    monkeypatch.setattr(detect, "read_file", files.__getitem__)
    first = detect.detect()
    assert detect.detect() is first
    files["/proc/self/mountinfo"] += UNIFIED
    files["/proc/self/cgroup"] += "0::/\n"
    assert (first.mode, detect.detect().mode) == ("v1", "hybrid")
    assert detect.detect().v2().controllers == ("io",)
    files["/sys/fs/cgroup/unified/cgroup.controllers"] = "io memory"
    assert detect.detect().v2().controllers == ("io", "memory")
    files["/proc/self/cgroup"] = files["/proc/self/cgroup"].replace("memory:/user.slice", "memory:/other")
    assert detect.detect().of("memory").path == "/sys/fs/cgroup/memory/other"
