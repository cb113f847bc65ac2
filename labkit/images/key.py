"""Where an image is in the cache: a key made of all that decides what its build will give."""

from __future__ import annotations

import os

from labkit.errors import MissingError
from labkit.images.reference import Reference

# Raised whenever busybox.py or debian.py would build something else of the same reference.
RECIPE = 1

# What the keys of images that others have made begin with; the machine and the manifest's digest follow.
FOREIGN_KEY = "oci-"

BUSYBOX = "/bin/busybox"
# The suite on a host that is not Debian: Ubuntu's names mean nothing to Debian's archive.
DEFAULT_SUITE = "bookworm"


def folder() -> str:
    """Where images are kept.  Source: XDG Base Directory Specification (a relative XDG_CACHE_HOME is to be ignored)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return f"{base if os.path.isabs(base) else os.path.expanduser('~/.cache')}/labkit/images"


def resolve(reference: Reference) -> Reference:
    """The same reference with its suite named."""
    if reference.distribution != "debian" or reference.suite:
        return reference
    return Reference("debian", host_suite() or DEFAULT_SUITE, reference.packages)


def key(reference: Reference) -> str:
    """The name of a resolved reference's folder: what, of which suite, for which machine, by which recipe.

    Raises MissingError for busybox when the host has none; the host's program is part of that key.
    """
    machine = os.uname().machine
    if reference.distribution == "busybox":
        try:
            program = os.stat(BUSYBOX)
        except OSError as error:
            raise missing_busybox(f"{BUSYBOX}: {error.strerror}") from error
        # An upgrade changes size or time; to read 2 MB for each start of a container would cost more than the start.
        return f"busybox-{machine}-r{RECIPE}-{program.st_size}-{program.st_mtime_ns}"
    packages = "".join(f"+{package}" for package in reference.packages)
    if len(packages) > 160:  # A name has 255 bytes at most (NAME_MAX).
        from hashlib import sha256

        packages = "+" + sha256(packages.encode()).hexdigest()
    return f"debian-{reference.suite}-{machine}-r{RECIPE}{packages}"


def host_suite() -> str:
    """The host's suite where the host is Debian, else the empty string.  Source: os-release(5)."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            pairs = [line.rstrip().partition("=") for line in file]
    except OSError:
        return ""
    fields = {name: value.strip("\"'") for name, _, value in pairs}
    return fields.get("VERSION_CODENAME", "") if fields.get("ID") == "debian" else ""


def missing_busybox(why: str) -> MissingError:
    """The error for a host without a static busybox."""
    return MissingError(f"image 'busybox': {why}", "sudo apt-get install busybox-static")
