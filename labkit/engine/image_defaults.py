"""What an image says of how it is run, where the one who asks says nothing else."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def completed(
    rootfs: object, args: Iterable[str] | None, options: dict[str, Any]
) -> tuple[Iterable[str], dict[str, Any]]:
    """`args` and `options` of `configure`, completed by `rootfs.defaults()` where it has that, as an image does.

    A command that is given takes the place of the image's Entrypoint and Cmd together; variables are added to the
    image's. Source: OCI image specification, config.md.
    """
    ask = getattr(rootfs, "defaults", None)
    found = ask() if ask is not None else {}
    for name in ("cwd", "user"):
        if name in found and options.get(name) is None:
            options = options | {name: found[name]}
    if "env" in found:
        options = options | {"env": found["env"] | dict(options.get("env") or {})}
    # A string is passed on, to be refused in words of its own.
    given = args if isinstance(args, str | bytes) else tuple(args or ())
    return given or tuple(found.get("args", ())), options
