"""Steps for limits that are more than one write to one file."""

from __future__ import annotations

import errno

from labkit.errors import StepError
from labkit.linux import os
from labkit.linux.cgroupfs import refusal
from labkit.plan.step import Scene, Step


class WriteEitherCgroup(Step):
    """A limit whose file goes by another name, and takes another value, on another kernel or disk scheduler."""

    __slots__ = ("file", "other_file", "other_value", "value", "why_text")
    file: str
    other_file: str
    other_value: str
    value: str
    why_text: str
    call = "write"

    @property
    def why(self) -> str:  # type: ignore[override]
        return self.why_text

    def describe(self) -> str:
        return f"write {self.value!r} to {self.file}, or {self.other_value!r} to {self.other_file}"

    def apply(self, scene: Scene) -> None:
        file, value = self.file, self.value
        try:
            try:
                scene.kernel.write_file(file, value)
            except FileNotFoundError:
                file, value = self.other_file, self.other_value
                scene.kernel.write_file(file, value)
        except OSError as error:
            message, hint = refusal(error, file, value)
            raise StepError("WriteEitherCgroup", error.errno or 0, message, hint) from error


class HandDown(Step):
    """Enable the controllers of `value` for the cgroups below; one that cannot be is left out, unless it is `needed`.

    So a limit can be set later that nobody asked for at first. Not every controller can be enabled everywhere: cpu not
    while a real-time process is in another than the root cgroup, memory and io not below a threaded one.

    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst (Controlling Controllers, CPU); runc,
    libcontainer/cgroups/fs2/create.go.
    """

    __slots__ = ("file", "needed", "value")
    file: str
    needed: tuple[str, ...]
    value: str
    call = "write"
    why = "a controller works in a cgroup only when the parent hands it down"

    def describe(self) -> str:
        return f"write {self.value!r} to {self.file}"

    def apply(self, scene: Scene) -> None:
        try:
            scene.kernel.write_file(self.file, self.value)
        except OSError:
            # All or none of what is written at once is enabled.
            for word in self.value.split():
                self._write_alone(scene, word)

    def _write_alone(self, scene: Scene, word: str) -> None:
        try:
            scene.kernel.write_file(self.file, word)
        except OSError as error:
            if word.removeprefix("+") in self.needed:
                message, hint = refusal(error, self.file, word)
                raise StepError("HandDown", error.errno or 0, message, hint) from error


class WriteDeviceRules(Step):
    """v1's device controller: `rules` are (devices.allow or devices.deny, a line), of which the last decides."""

    __slots__ = ("path", "rules")
    path: str
    rules: tuple[tuple[str, str], ...]
    call = "write"
    why = "which device nodes may be opened or made; each rule is a write(2) to a file that stays open for the next"

    def describe(self) -> str:
        said = [f"{file.partition('.')[2]} {line}" for file, line in self.rules]
        return f"device rules of {self.path}: {', '.join(said)}"

    def apply(self, scene: Scene) -> None:
        for file, lines in _runs(self.rules):
            path = f"{self.path}/{file}"
            try:
                scene.kernel.write_lines(path, lines)
            except OSError as error:
                message, hint = refusal(error, path, str(error.filename2 or lines[0]))
                raise StepError("WriteDeviceRules", error.errno or 0, message, hint) from error


def _runs(rules: tuple[tuple[str, str], ...]) -> list[tuple[str, list[str]]]:
    """The lines, together where one follows another to the same file."""
    found: list[tuple[str, list[str]]] = []
    for file, line in rules:
        if found and found[-1][0] == file:
            found[-1][1].append(line)
        else:
            found.append((file, [line]))
    return found


class AttachDeviceProgram(Step):
    """v2's device controller: a program that the kernel asks at every open(2) and mknod(2) of a device node.

    It goes with the cgroup, so nothing has to be undone.
    """

    __slots__ = ("path", "program")
    path: str
    program: bytes
    call = "bpf(BPF_PROG_LOAD), bpf(BPF_PROG_ATTACH)"
    why = "cgroup v2 has no files for devices: an eBPF program decides (cgroup-v2.rst, Device controller)"

    def describe(self) -> str:
        return f"attach a device program of {len(self.program) // 8} instructions to {self.path}"

    def apply(self, scene: Scene) -> None:
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            scene.kernel.attach_device_program(folder, self.program)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise  # Which are about the engine, not about the rules.
            message = f"the device rules cannot be attached to {self.path}: {error.filename}: {error.strerror}"
            hint = "this takes root's CAP_SYS_ADMIN and a kernel with CONFIG_CGROUP_BPF"
            raise StepError("AttachDeviceProgram", error.errno or 0, message, hint) from error
        finally:
            os.close(folder)
