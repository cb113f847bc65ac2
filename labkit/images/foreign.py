"""The names of images that others have made: a registry's, or a file's, as skopeo(1) writes them.

docker://HOST:PORT/NAME:TAG   of a registry; @sha256:… in place of :TAG names one image for ever
NAME:TAG                      the same at Docker's own registry, as HOST/NAME and HOST/NAME:TAG are elsewhere
oci:/PATH:TAG                 a folder in the OCI image layout
oci-archive:/PATH:TAG         the same as one tar file
docker-archive:/PATH:NAME     what `docker save` writes
"""

from __future__ import annotations

import os

from labkit.errors import UsageError

LOCAL = ("oci", "oci-archive", "docker-archive")

_FORMS = "docker://HOST/NAME:TAG, oci:/PATH:TAG, oci-archive:/PATH, docker-archive:/PATH, or NAME:TAG"


class Foreign:
    """A parsed name.

    `place` is [HOST[:PORT]/]NAME at a registry, else an absolute path; `which` is `:TAG`, `@DIGEST` or empty.
    """

    __slots__ = ("place", "transport", "which")

    def __init__(self, transport: str, place: str, which: str = "") -> None:
        self.transport = transport
        self.place = place
        self.which = which

    def __str__(self) -> str:
        return f"{self.transport}:{'' if self.local else '//'}{self.place}{self.which}"

    @property
    def local(self) -> bool:
        """Whether it is a file or folder of this host."""
        return self.transport in LOCAL

    @property
    def loopback(self) -> bool:
        """Whether it is in a registry that this host alone can reach, for which nobody has a certificate."""
        host = self.place.partition("/")[0]
        name = host.partition(":")[0]
        return (
            not self.local and "/" in self.place and (name == "localhost" or _is_loopback(name) or host[:5] == "[::1]")
        )

    @property
    def digest(self) -> str:
        """The digest that the name demands, `sha256:…`, or the empty string."""
        return self.which[1:] if self.which.startswith("@") else ""

    def at(self, digest: str) -> Foreign:
        """The image of that digest at the same place in the registry."""
        return Foreign(self.transport, self.place, f"@{digest}")


def parse(text: str) -> Foreign:
    """Parse a name; UsageError says what is wrong with it."""
    if not text.isprintable() or " " in text:
        raise UsageError(f"image {text!r}: no name of an image has blanks or control characters", f"write {_FORMS}")
    transport, colon, rest = text.partition(":")
    if colon and transport in LOCAL:
        path, colon, tag = rest.partition(":")
        if not path:
            raise UsageError(f"image '{text}' has no path", f"for example {transport}:/PATH:TAG")
        return Foreign(transport, os.path.abspath(path), f":{tag}" if tag else "")
    if rest.startswith("//") and transport != "docker":
        raise UsageError(f"image '{text}': '{transport}://' is not known", f"write {_FORMS}")
    return _of_registry(text, text.removeprefix("docker://"))


def _of_registry(text: str, name: str) -> Foreign:
    name, at, digest = name.partition("@")
    # A colon before the last slash is that of a port.
    folder, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    place = folder + slash + last
    if not last or place.startswith(("-", "/")):
        raise UsageError(f"image '{text}' has no name", f"write {_FORMS}")
    if not at:
        return Foreign("docker", place, f":{tag or 'latest'}")
    hexadecimal = digest.removeprefix("sha256:")
    if len(hexadecimal) != 64 or hexadecimal.strip("0123456789abcdef") or hexadecimal == digest:
        raise UsageError(
            f"image '{text}': '{digest}' is not a digest", "sha256: and 64 hexadecimal digits follow the @"
        )
    # With both, the digest decides; skopeo refuses the two together.
    return Foreign("docker", place, f"@{digest}")


def _is_loopback(host: str) -> bool:
    """Whether it is an address of 127.0.0.0/8, written as such: a mere name that begins so may be anybody's."""
    parts = host.split(".")
    return parts[0] == "127" and len(parts) == 4 and all(p.isascii() and p.isdecimal() and int(p) < 256 for p in parts)
