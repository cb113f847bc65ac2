"""Build one image into the cache: its root filesystem by its recipe, then the facts about it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labkit.images import busybox, debian
from labkit.images.cache import get_or_build
from labkit.images.contents import digest, size
from labkit.images.image import Image
from labkit.images.key import key
from labkit.images.progress import reporting
from labkit.images.reference import Reference


def build(reference: Reference, *, shown: bool = True) -> Image:
    """The image of a resolved reference, built unless another process does so first; errors as for `image`."""
    what = f"image '{reference}'"

    def fill(rootfs: Path, lock: int) -> dict[str, Any]:
        with reporting(what, shown) as report:
            if reference.distribution == "busybox":
                packages = busybox.build(rootfs, report)
            else:
                packages = debian.build(reference, rootfs, lock, report)
            report(0.98, "taking the digest")
            facts = {"digest": digest(rootfs), "size": size(rootfs), "packages": sorted(packages)}
            report(1.0, "built")
        created = datetime.now(UTC).isoformat(timespec="seconds")
        return {"reference": str(reference), **facts, "created": created}

    name = key(reference)
    place, _ = get_or_build(name, fill, what=what, shown=shown)
    return Image(str(reference), name, str(place))
