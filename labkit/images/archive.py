"""An image as an OCI archive, which every engine imports: one layer, a configuration, a manifest and an index in a tar.

Source: OCI image specification, image-layout.md, manifest.md, config.md and layer.md. Entries are sorted and have no
times, so that the same root filesystem gives the same archive, byte for byte, wherever it is written.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from hashlib import file_digest, sha256
from pathlib import Path
from typing import IO, Any

from labkit.errors import LabkitError
from labkit.images.config import architecture
from labkit.images.image import Image

_TYPES = "application/vnd.oci.image"
_CAPABILITIES = "security.capability"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def export(image: Image, file: Path) -> str:
    """Write the archive to `file`, whole or not at all; returns the digest of its manifest, which engines show.

    Raises LabkitError for a file that cannot be written and for a full disk.
    """
    partial = file.with_name(f"{file.name}~partial{os.getpid()}")
    with told_plainly(f"writing {file}"):
        try:
            with partial.open("xb") as archive:
                manifest = write(image, archive, str(file.parent))
            partial.rename(file)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    return manifest


def write(image: Image, file: IO[bytes], folder: str) -> str:
    """The same to an open file; `folder` is where the layer is kept meanwhile, in a file without a name."""
    with tempfile.TemporaryFile(dir=folder) as layer:
        _write_layer(image.rootfs, layer)
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            return _write_layout(archive, image, layer)


@contextlib.contextmanager
def told_plainly(what: str) -> Iterator[None]:
    """Turn the faults of a disk into one line with a hint."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise LabkitError(
            f"{what}: {error.strerror}", "free some space, or name a larger disk" if full else "name another file"
        ) from error


def name(image: Image) -> str:
    """What the image is called in an engine: localhost/labkit/WHAT:TAG, with what no name may have as `-`.

    A foreign image's tag ends with the beginning of its manifest's digest, as the same name may be at two registries.
    """
    last = image.reference.partition("@")[0].rpartition("/")[2]
    what, _, tag = last.replace("+", ":", 1).partition(":")
    tags = [part for part in (_plain(tag)[:100], image.manifest[7:19]) if part]
    return f"localhost/labkit/{_plain(what) or 'image'}:{'-'.join(tags) or 'latest'}"


def _plain(text: str) -> str:
    # Doubled marks are not allowed in all places.
    words = "".join(letter if letter in _LETTERS else " " for letter in text.lower()).split()
    return "-".join(words)


def _write_layout(archive: tarfile.TarFile, image: Image, layer: IO[bytes]) -> str:
    """Write the layout around a layer; returns the manifest's digest."""
    layer.seek(0)
    layer_digest = f"sha256:{file_digest(layer, 'sha256').hexdigest()}"  # type: ignore[arg-type]  # It has readinto().
    size = layer.tell()
    layer.seek(0)
    _entry(archive, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
    _add(archive, _blob(layer_digest), layer, size)
    config = _descriptor(archive, "config.v1+json", _config(image, layer_digest))
    layers = [{"mediaType": f"{_TYPES}.layer.v1.tar", "digest": layer_digest, "size": size}]
    manifest = {"schemaVersion": 2, "mediaType": f"{_TYPES}.manifest.v1+json", "config": config, "layers": layers}
    described = _descriptor(archive, "manifest.v1+json", manifest)
    # podman(1) takes the first name, containerd the second.
    names = {"org.opencontainers.image.ref.name": name(image), "io.containerd.image.name": name(image)}
    index = {"schemaVersion": 2, "manifests": [described | {"annotations": names}]}
    _entry(archive, "index.json", json.dumps(index).encode())
    return str(described["digest"])


def _config(image: Image, layer: str) -> dict[str, Any]:
    known = image.defaults()
    config: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in known.get("env", {}).items()]
        or ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": known.get("args", ["/bin/sh"]),
    }
    config |= {word: known[key] for key, word in (("cwd", "WorkingDir"), ("user", "User")) if key in known}
    machine = architecture(os.uname().machine)
    return {"architecture": machine, "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": [layer]}}


def _descriptor(archive: tarfile.TarFile, kind: str, document: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(document, sort_keys=True).encode()
    digest = f"sha256:{sha256(text).hexdigest()}"
    _entry(archive, _blob(digest), text)
    return {"mediaType": f"{_TYPES}.{kind}", "digest": digest, "size": len(text)}


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _entry(archive: tarfile.TarFile, name: str, text: bytes) -> None:
    _add(archive, name, io.BytesIO(text), len(text))


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    archive.addfile(entry, content)


def _write_layer(root: Path, file: IO[bytes]) -> None:
    """The root filesystem as a tar: the owner's numbers and no names, and of extended attributes the capabilities."""
    # surrogateescape: a name on a disk is bytes, and need not be UTF-8.
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as layer:
        for path in _entries(str(root)):
            inside = os.path.relpath(path, root)
            entry = layer.gettarinfo(path, arcname=inside)
            if entry is None:
                continue  # A socket: an archive has none.
            _leave_out_the_host(entry)
            if entry.isreg():
                _note_capabilities(entry, path)
                with open(path, "rb") as content:
                    layer.addfile(entry, content)
            else:
                layer.addfile(entry)


def _entries(root: str) -> Iterator[str]:
    """Every path below a folder, each folder before what it holds, in the order of names."""
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        yield entry.path
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path)


def _leave_out_the_host(entry: tarfile.TarInfo) -> None:
    entry.mtime = 0
    entry.uname = entry.gname = ""
    # An ordinary user's images are their own throughout; they stand for root's, as in a rootless container.
    if os.geteuid() != 0:
        entry.uid = 0 if entry.uid == os.geteuid() else entry.uid
        entry.gid = 0 if entry.gid == os.getegid() else entry.gid


def _note_capabilities(entry: tarfile.TarInfo, path: str) -> None:
    with contextlib.suppress(OSError):
        value = os.getxattr(path, _CAPABILITIES, follow_symlinks=False)
        entry.pax_headers = {f"SCHILY.xattr.{_CAPABILITIES}": value.decode("utf-8", "surrogateescape")}
