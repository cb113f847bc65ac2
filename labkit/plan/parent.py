"""Steps of the parent, around the clone: the state folder, cgroups, id maps. Those that leave something can undo it."""

from __future__ import annotations

import errno
import os

from labkit.errors import LabkitError
from labkit.plan.step import Scene, Step


class MakeStateFolder(Step):
    """The folder's only file, `state`, says who runs the container and which cgroups it has (see engine.state)."""

    __slots__ = ("content", "path")
    content: str
    path: str
    call = "mkdir, write"
    why = "the id is taken while the folder exists, and what a killed engine leaves can be found"

    def describe(self) -> str:
        return f"record the container in {self.path}"

    def apply(self, scene: Scene) -> None:
        owner = f"owner {os.getpid()} {start_time(scene.kernel.read_file('/proc/self/stat'))}\n"
        parent, _, name = self.path.rpartition("/")
        # Filled first and then renamed, so that no other process ever sees it without its file.
        made = f"{parent}/.{name}.{os.getpid()}"
        os.mkdir(made, 0o711)
        try:
            descriptor = os.open(f"{made}/state", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, (self.content + owner).encode())
            finally:
                os.close(descriptor)
            os.rename(made, self.path)
        except OSError as error:
            remove_state(made)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                message = f"a container with the id {name!r} exists"
                raise LabkitError(message, "choose another --id, or: labkit gc") from error
            raise

    def undo(self, scene: Scene) -> None:
        remove_state(self.path)


def remove_state(folder: str) -> None:
    """Remove a state folder and its file; nothing to do for what is gone."""
    for remove, path in ((os.unlink, f"{folder}/state"), (os.rmdir, folder)):
        try:
            remove(path)
        except FileNotFoundError:
            pass


def start_time(stat: str) -> int:
    """The ticks from boot to a process's start, from its /proc/PID/stat (field 22): with the pid, its identity."""
    return int(stat.rpartition(")")[2].split()[19])


class MakeCgroup(Step):
    __slots__ = ("path",)
    path: str
    call = "mkdir"
    why = "a folder of cgroupfs is a group of processes to count and to limit"

    def describe(self) -> str:
        return f"make the cgroup {self.path}"

    def apply(self, scene: Scene) -> None:
        try:
            os.mkdir(self.path, 0o755)
        except FileExistsError as error:
            raise LabkitError(
                f"the cgroup {self.path} exists", "it is another container's; choose another id"
            ) from error

    def undo(self, scene: Scene) -> None:
        scene.kernel.remove_cgroup(self.path)


class MakeParentCgroup(Step):
    """A cgroup on the way to the container's own, which other containers may share."""

    __slots__ = ("path",)
    path: str
    call = "mkdir"
    why = "cgroupsPath names a folder in it; it goes with the last container that uses it"

    def describe(self) -> str:
        return f"make the cgroup {self.path}, if it is not there"

    def apply(self, scene: Scene) -> None:
        try:
            os.mkdir(self.path, 0o755)
        except FileExistsError:
            pass

    def undo(self, scene: Scene) -> None:
        remove_empty_cgroup(self.path)


def remove_empty_cgroup(path: str) -> None:
    """Remove the cgroup unless somebody is in it or below it, or it is gone."""
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY, errno.ENOENT):
            raise


class WriteCgroup(Step):
    __slots__ = ("file", "value", "why_text")
    file: str
    value: str
    why_text: str
    call = "write"

    def __init__(self, file: str, value: str, why_text: str) -> None:
        super().__init__(file, value, why_text)

    @property
    def why(self) -> str:  # type: ignore[override]
        return self.why_text

    def describe(self) -> str:
        return f"write {self.value!r} to {self.file}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.write_file(self.file, self.value)


class InheritCpuset(Step):
    __slots__ = ("path",)
    path: str
    call = "read, write"
    why = "a v1 cpuset begins empty, and no process can join it until it has CPUs and memory nodes (cpuset(7))"

    def describe(self) -> str:
        return f"give {self.path} the CPUs and memory nodes of its parent"

    def apply(self, scene: Scene) -> None:
        parent = os.path.dirname(self.path)
        for name in ("cpuset.cpus", "cpuset.mems"):
            scene.kernel.write_file(f"{self.path}/{name}", scene.kernel.read_file(f"{parent}/{name}").strip() or "0")


class CloneIntoCgroup(Step):
    __slots__ = ("path",)
    path: str
    call = "open, clone3(CLONE_INTO_CGROUP)"
    why = "the process is born in its cgroup and never runs outside it"

    def describe(self) -> str:
        return f"let the clone begin in {self.path}"

    def apply(self, scene: Scene) -> None:
        scene.cgroup = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def undo(self, scene: Scene) -> None:
        if scene.cgroup is not None:
            os.close(scene.cgroup)
            scene.cgroup = None


class WriteIdMaps(Step):
    __slots__ = ("deny_setgroups", "gid_map", "uid_map")
    deny_setgroups: bool
    gid_map: str
    uid_map: str
    call = "write /proc/PID/uid_map, setgroups, gid_map"
    why = "until then the process is nobody inside; an ordinary user must first give up setgroups (user_namespaces(7))"

    def describe(self) -> str:
        return "map the ids inside to outside: " + self.uid_map.replace("\n", ", ")

    def apply(self, scene: Scene) -> None:
        folder = f"/proc/{scene.pid}"
        scene.kernel.write_file(f"{folder}/uid_map", self.uid_map)
        if self.deny_setgroups:
            scene.kernel.write_file(f"{folder}/setgroups", "deny")
        scene.kernel.write_file(f"{folder}/gid_map", self.gid_map)


class Release(Step):
    __slots__ = ("done",)
    done: str
    call = "sendmsg"
    why = "its next step needs what was done here"

    def describe(self) -> str:
        return f"tell the child that {self.done}"

    def apply(self, scene: Scene) -> None:
        assert scene.release is not None
        scene.release()
