"""cgroups v1, v2 and hybrid: from limits to steps (cgroups(7); Documentation/admin-guide/cgroup-v1, cgroup-v2.rst)."""
