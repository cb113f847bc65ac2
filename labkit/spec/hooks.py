"""config.json, hooks: programs that the runtime runs at six moments of a container's life (config.md, POSIX hooks)."""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.spec.section import Section, absolute, array, integer, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _entry(value: Any, pointer: str) -> str:
    if text(value, pointer).find("=") < 1:
        raise SpecError(pointer, f"must be NAME=VALUE, not {value!r}")
    return str(value)


class Hook(Section):
    """One program; `args` begin with its name, `env` None is that of who runs it, `timeout` is in seconds."""

    __slots__ = ("args", "env", "path", "timeout")
    path: str
    args: tuple[str, ...]
    env: tuple[str, ...] | None
    timeout: int | None
    REQUIRED = ("path",)
    PROPERTIES = {
        "path": ("path", absolute, ""),
        "args": ("args", array(text), ()),
        "env": ("env", array(_entry), None),
        "timeout": ("timeout", integer(1, 2**31 - 1), None),
    }


class Hooks(Section):
    """hooks: the programs of each moment, in the order in which they run."""

    __slots__ = ("create_container", "create_runtime", "poststart", "poststop", "prestart", "start_container")
    prestart: tuple[Hook, ...]
    create_runtime: tuple[Hook, ...]
    create_container: tuple[Hook, ...]
    start_container: tuple[Hook, ...]
    poststart: tuple[Hook, ...]
    poststop: tuple[Hook, ...]
    PROPERTIES = {
        "prestart": ("prestart", array(Hook.load), ()),
        "create_runtime": ("createRuntime", array(Hook.load), ()),
        "create_container": ("createContainer", array(Hook.load), ()),
        "start_container": ("startContainer", array(Hook.load), ()),
        "poststart": ("poststart", array(Hook.load), ()),
        "poststop": ("poststop", array(Hook.load), ()),
    }

    def plain(self) -> dict[str, tuple[tuple[str, tuple[str, ...], tuple[str, ...] | None, int | None], ...]]:
        """By the moment's JSON name, for those that have any: (path, args, env, timeout) of each program."""
        found = {}
        for attribute, (name, _, _) in self.PROPERTIES.items():
            hooks = getattr(self, attribute)
            if hooks:
                found[name] = tuple((hook.path, hook.args or (hook.path,), hook.env, hook.timeout) for hook in hooks)
        return found
