"""Steps of the parent, around the clone: the state folder, cgroups, id maps. Those that leave something can undo it."""

from __future__ import annotations

import errno

from labkit.errors import LabkitError, StepError
from labkit.linux import os
from labkit.linux.cgroupfs import refusal, remove_empty_cgroup
from labkit.linux.descriptors import write_all
from labkit.linux.proc import start_time
from labkit.plan.folder import FAILURE, FIFO, ROOT, UNFINISHED, add_to_state, remove_state
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class MakeStateFolder(Step):
    """The folder's file `state` says who makes the container and which cgroups it has (see engine.state).

    `config`, the configuration's text, is kept beside it where it is given; a fifo, for one that waits for start; and a
    place to mount its `root` on, for one without a mount namespace of its own.
    """

    __slots__ = ("config", "content", "fifo", "path", "root")
    config: bytes
    content: str
    fifo: bool
    path: str
    root: bool
    call = "mkdir, write"
    why = "the id is taken while the folder exists, and what a killed engine leaves can be found"

    def describe(self) -> str:
        return f"record the container in {self.path}"

    def apply(self, scene: Scene) -> None:
        owner = f'{{"owner": [{os.getpid()}, {start_time(scene.kernel.read_file("/proc/self/stat"))}]}}\n'
        parent, _, name = self.path.rpartition("/")
        # Filled first and then renamed, so that no other process ever sees it without its file.
        made = f"{parent}/{UNFINISHED}{name}.{os.getpid()}"
        # Whoever may enter it could run the set-user-ID programs of a root that is mounted in it.
        os.mkdir(made, 0o700 if self.root else 0o711)
        try:
            _write_new(f"{made}/state", (self.content + owner).encode())
            if self.config:
                _write_new(f"{made}/config.json", self.config)
            if self.fifo:
                os.mkfifo(f"{made}/{FIFO}", 0o600)
                _write_new(f"{made}/{FAILURE}", b"")
            if self.root:
                os.mkdir(f"{made}/{ROOT}", 0o700)
            os.rename(made, self.path)
        except OSError as error:
            remove_state(made)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                message = f"a container with the id {name!r} exists"
                raise LabkitError(message, "choose another --id, or: labkit gc") from error
            raise

    def undo(self, scene: Scene) -> None:
        remove_state(self.path, ("config.json",) * bool(self.config) + (FIFO, FAILURE) * self.fifo)


def _write_new(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


class RecordProcess(Step):
    __slots__ = ("folder",)
    folder: str
    call = "read /proc/PID/stat, write"
    why = "with its start time a pid is an identity: nothing else is ever signalled for it"

    def describe(self) -> str:
        return "record the process"

    def apply(self, scene: Scene) -> None:
        start = start_time(scene.kernel.read_file(f"/proc/{scene.pid}/stat"))
        add_to_state(self.folder, f'{{"pid": {scene.pid}, "start": {start}}}')


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
        except FileNotFoundError as error:
            message = f"the cgroup {self.path} cannot be made: the one above it is gone"
            raise LabkitError(message, "somebody else has removed it; try again") from error

    def undo(self, scene: Scene) -> Iterator[None] | None:
        moments: Iterator[None] | None = scene.kernel.leaving_cgroup(self.path)
        return moments


class EndMembers(Step):
    __slots__ = ("folders",)
    folders: tuple[str, ...]
    call = "none; at the end read cgroup.procs, kill"
    why = "without a pid namespace of its own, what its first process has started does not end with it"

    def describe(self) -> str:
        return "have all processes of its cgroups end with the first"

    def apply(self, scene: Scene) -> None:
        pass

    def undo(self, scene: Scene) -> Iterator[None]:
        for folder in reversed(self.folders):
            yield from scene.kernel.removing_cgroup(folder)


class TakeCgroup(MakeCgroup):
    __slots__ = ("path",)
    call = "none"
    why = "somebody made it for this container, whose limits and processes it gets, and with which it goes"

    def describe(self) -> str:
        return f"take the empty cgroup {self.path}"

    def apply(self, scene: Scene) -> None:
        pass


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
        try:
            scene.kernel.write_file(self.file, self.value)
        except OSError as error:
            message, hint = refusal(error, self.file, self.value)
            raise StepError("WriteCgroup", error.errno or 0, message, hint) from error


class InheritCpuset(Step):
    """`files` are those that no limit sets; a cgroup that is not `fresh` keeps what it has."""

    __slots__ = ("files", "fresh", "path")
    files: tuple[str, ...]
    fresh: bool
    path: str
    call = "read, write"
    why = "a v1 cpuset begins empty, and no process can join it until it has CPUs and memory nodes (cpuset(7))"

    def describe(self) -> str:
        return f"give {self.path} the CPUs and memory nodes of its parent"

    def apply(self, scene: Scene) -> None:
        parent = os.path.dirname(self.path)
        for name in self.files:
            try:
                if not self.fresh and scene.kernel.read_file(f"{self.path}/{name}").strip():
                    continue
                all_of_it = scene.kernel.read_file(f"{parent}/{name}").strip() or "0"
                scene.kernel.write_file(f"{self.path}/{name}", all_of_it)
            except FileNotFoundError as error:
                message, hint = f"the cgroup {self.path} is gone", "somebody else has removed it; try again"
                raise StepError("InheritCpuset", error.errno or 0, message, hint) from error


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
