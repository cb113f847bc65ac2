"""Give an image to an engine's own storage, without a network: what podman and containerd run then is what all run.

Each function gets the engine's client with the words that say where its storage or its daemon is, such as
("podman", "--root", …) and ("ctr", "--address", …), and returns the name that the engine knows the image by.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

from labkit.images import archive, tool
from labkit.images.image import Image
from labkit.images.key import folder


def into_podman(image: Image, client: Sequence[str]) -> str:
    """`podman load`: see podman-load(1).  Raises LabkitError with podman's own reason."""
    return _load(image, [*client, "load", "--quiet"])


def into_containerd(image: Image, client: Sequence[str]) -> str:
    """`ctr images import`, into the namespace that `client` names.  Raises LabkitError with ctr's own reason."""
    return _load(image, [*client, "images", "import", "-"])


def _load(image: Image, command: list[str]) -> str:
    what = f"image '{image.reference}'"
    # Beside the cache and without a name: whatever ends us, nothing of it stays.
    place = os.path.dirname(folder())
    with archive.told_plainly(f"{what} for {command[0]}"), tempfile.TemporaryFile(dir=place) as file:
        archive.write(image, file, place)
        file.seek(0)
        tool.run(command, what, stdin=file)
    return archive.name(image)
