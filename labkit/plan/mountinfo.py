"""Where mounts are attached, from /proc/self/mountinfo (proc_pid_mountinfo(5))."""

from __future__ import annotations

from labkit.plan.step import Scene


def mount_point(scene: Scene, descriptor: int) -> str:
    """Where the mount that `descriptor` stands on is attached (proc_pid_fdinfo(5))."""
    about = scene.kernel.read_file(f"/proc/self/fdinfo/{descriptor}")
    number = next(line.split()[1] for line in about.splitlines() if line.startswith("mnt_id:"))
    for line in scene.kernel.read_file("/proc/self/mountinfo").splitlines():
        words = line.split(" ")
        if words[0] == number:
            return unescape(words[4])
    raise OSError(2, "the mount is not in /proc/self/mountinfo", f"mount {number}")


def unescape(field: str) -> str:
    """A path as it is: blank, tab, newline and backslash are written as three octal digits."""
    first, *others = field.split("\\")
    return first + "".join(chr(int(part[:3], 8)) + part[3:] for part in others)
