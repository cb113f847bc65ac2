"""An image: a folder that is a root filesystem, and what is known of it."""

from __future__ import annotations

import os

from labkit.errors import LabkitError
from labkit.images.key import FOREIGN_KEY, folder, key, resolve
from labkit.images.reference import is_foreign, parse

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

    @property
    def manifest(self) -> str:
        """`sha256:…` of a foreign image's manifest, by which its registry knows it; empty for an image of ours."""
        return str(self._fact("manifest")) if self._is_foreign else ""

    def defaults(self) -> dict[str, Any]:
        """What a foreign image says of how it is run: any of `args`, `env` by name, `cwd` and `user`."""
        return dict(self._fact("config")) if self._is_foreign else {}

    @property
    def _is_foreign(self) -> bool:
        return self.key.startswith(FOREIGN_KEY)

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
    """The image with this name when the cache has it, else None.  Raises UsageError for a name that means nothing."""
    if is_foreign(reference):
        from labkit.images.foreign import parse as parse_foreign
        from labkit.images.names import recall

        named = parse_foreign(reference)
        return _at(str(named), recall(named))
    wanted = resolve(parse(reference))
    return _at(str(wanted), key(wanted))


def _at(reference: str, key: str | None) -> Image | None:
    place = f"{folder()}/{key}"
    # The folder gets its name in one rename(2), after its last file is written: what is there is whole.
    return Image(reference, key, place) if key and os.path.isdir(f"{place}/rootfs") else None


def image(reference: str, *, shown: bool = True) -> Image:
    """The image with this name, built or fetched first when it is not there; `shown` tells the progress on stderr.

    Raises UsageError for a name that means nothing, MissingError for a program that is needed, and LabkitError for
    what cannot be built or fetched and for a cache that cannot be used.
    """
    found = find(reference)
    if found is None and is_foreign(reference):
        from labkit.images.fetch import fetch
        from labkit.images.foreign import parse as parse_foreign

        found = fetch(parse_foreign(reference), shown=shown)
    if found is None:
        from labkit.images.build import build

        found = build(resolve(parse(reference)), shown=shown)
    return found
