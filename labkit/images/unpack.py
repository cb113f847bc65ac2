"""Unpack an archive of a root filesystem into an empty folder, and never outside it, whatever the archive says."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def unpack_command(archive: Path, rootfs: Path) -> list[str]:
    """What unpacks it as the caller's own files.

    GNU tar takes leading slashes and `..` from names and from the targets of hard links, and makes a symbolic link that
    leads out only when everything else is there, so that nothing is written through it; all this unless it is given
    --absolute-names. An ordinary user cannot make device nodes; runtimes put their own /dev over this one.
    """
    options = ["--extract", "--no-same-owner", "--preserve-permissions", "--exclude=./dev/*"]
    return ["tar", *options, "--file", str(archive), "--directory", str(rootfs)]
