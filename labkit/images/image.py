"""An image: a folder that is a root filesystem, and what is known of it."""

from __future__ import annotations

import os

from labkit.errors import LabkitError
from labkit.images.key import folder, key, resolve
from labkit.images.reference import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


class Image:
    """A built image; `os.fspath` gives the folder of its root filesystem.

    `reference` is the full name (debian:bookworm, where debian was asked for) and `key` the folder in the cache.
    The other facts are read from its image.json when they are asked for.
    """

    __slots__ = ("_facts", "_folder", "key", "reference")

    def __init__(self, reference: str, key: str, folder: str) -> None:
        self.reference = reference
        self.key = key
        self._folder = folder
        self._facts: dict[str, Any] | None = None

    def __fspath__(self) -> str:
        return f"{self._folder}/rootfs"

    def __repr__(self) -> str:
        return f"Image({self.reference!r}, {self.__fspath__()!r})"

    @property
    def rootfs(self) -> Path:
        """The root filesystem, shared by all containers of the image and never to be written to."""
        from pathlib import Path

        return Path(self)

    @property
    def digest(self) -> str:
        """`sha256:…` over all that the root filesystem holds; see `contents.digest`."""
        return str(self._fact("digest"))

    @property
    def packages(self) -> list[str]:
        """What is installed, as "name version", sorted."""
        return [str(package) for package in self._fact("packages")]

    @property
    def created(self) -> str:
        """When it was built: ISO 8601, UTC, to the second."""
        return str(self._fact("created"))

    @property
    def size(self) -> int:
        """The space it takes on the disk, in bytes."""
        return int(self._fact("size"))

    def _fact(self, name: str) -> Any:
        if self._facts is None:
            from pathlib import Path

            from labkit.images.cache import read

            self._facts = read(Path(self._folder))
        if self._facts is None or name not in self._facts:
            raise LabkitError(
                f"image '{self.reference}': {self._folder}/image.json does not tell its {name}",
                f"labkit image rm {self.reference}; it is built again when it is next wanted",
            )
        return self._facts[name]


def find(reference: str) -> Image | None:
    """The image with this name when it is built, else None.  Raises UsageError for a name that means nothing."""
    wanted = resolve(parse(reference))
    name = key(wanted)
    place = f"{folder()}/{name}"
    # The folder gets its name in one rename(2), after its last file is written: what is there is whole.
    return Image(str(wanted), name, place) if os.path.isdir(f"{place}/rootfs") else None


def image(reference: str, *, shown: bool = True) -> Image:
    """The image with this name, built first when it is not there; `shown` tells the progress on stderr.

    Raises UsageError for a name that means nothing, MissingError for a program that the build needs, and LabkitError
    for a build that fails and for a cache that cannot be used.
    """
    found = find(reference)
    if found is None:
        from labkit.images.build import build

        found = build(resolve(parse(reference)), shown=shown)
    return found
