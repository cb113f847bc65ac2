"""Bring a foreign image into the cache: skopeo tells its manifest and copies it by its digest, umoci unpacks it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError
from labkit.images import config, names, tool
from labkit.images.cache import get_or_build, told_plainly
from labkit.images.contents import digest, make_accessible, remove_tree, size
from labkit.images.foreign import Foreign
from labkit.images.image import Image
from labkit.images.key import FOREIGN_KEY
from labkit.images.progress import reporting

# For the manifest alone, a few KB: a registry that does not answer is told apart from a large image.
PATIENCE = "60s"


def fetch(reference: Foreign, *, shown: bool = True) -> Image:
    """The image, fetched unless the cache has one with the same manifest under another name.

    Raises MissingError without skopeo or umoci, and LabkitError for what cannot be had, for what is not what it says
    it is, and for a full disk; the cache then is as it was.
    """
    what = f"image '{reference}'"
    tool.require(what)
    # Looked at before the image: what is changed meanwhile will be fetched again.
    state = names.state(reference)
    manifest = _manifest_digest(reference, what)
    key = f"{FOREIGN_KEY}{os.uname().machine}-{manifest.removeprefix('sha256:')}"

    def fill(rootfs: Path, lock: int) -> dict[str, Any]:
        return _fill(reference, manifest, rootfs, lock, shown)

    place, _ = get_or_build(key, fill, what=what, shown=shown)
    with told_plainly(what):
        names.remember(reference, key, state)
    return Image(str(reference), key, str(place))


def _manifest_digest(reference: Foreign, what: str) -> str:
    """`sha256:` over the manifest as it is served; that of the list, where there is one for each machine."""
    tls = ["--tls-verify=false"] if reference.loopback else []
    command = ["skopeo", f"--command-timeout={PATIENCE}", "inspect", "--raw", *tls, str(reference)]
    found = f"sha256:{sha256(tool.run(command, what)).hexdigest()}"
    if reference.digest and found != reference.digest:
        raise LabkitError(
            f"{what}: the registry sent another manifest, {found}", "do not trust it; ask another registry"
        )
    return found


def _fill(reference: Foreign, manifest: str, rootfs: Path, lock: int, shown: bool) -> dict[str, Any]:
    what, partial = f"image '{reference}'", rootfs.parent
    layout = partial / "layout"
    with reporting(what, shown) as report:
        report(0.05, "copying")
        # By digest: a tag may be moved at any time.
        source = reference if reference.local else reference.at(manifest)
        tls = ["--src-tls-verify=false"] if reference.loopback else []
        # Both run in this folder and get relative paths, since a colon in a path would end it.
        tool.run(["skopeo", "copy", "--quiet", *tls, str(source), "oci:layout:image"], what, partial, lock)
        found = config.read(layout, what)
        report(0.5, "unpacking")
        rootless = ["--rootless"] if os.geteuid() != 0 else []
        tool.run(["umoci", "raw", "unpack", *rootless, "--image", "layout:image", "rootfs"], what, partial, lock)
        # A layer has an entry for the root folder itself, which may say anything.
        if rootfs.is_symlink() or not rootfs.is_dir():
            raise LabkitError(f"{what}: its layers make the root folder something else", "do not use this image")
        # Strangers' set-user-ID programs, now on this host, are for nobody else to run (CVE-2021-41091).
        partial.chmod(0o700)
        make_accessible(rootfs)
        remove_tree(layout)
        report(0.9, "taking the digest")
        facts = {"digest": digest(rootfs), "size": size(rootfs), "packages": []}
        report(1.0, "ready")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return {"reference": str(reference), "manifest": manifest, **facts, "config": found, "created": created}
