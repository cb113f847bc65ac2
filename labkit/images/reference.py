"""The names that people give to images: `busybox`, `debian`, `debian:SUITE`, `debian+PACKAGE+PACKAGE`."""

from __future__ import annotations

from labkit.errors import UsageError

KNOWN = ("busybox", "debian", "debian:SUITE", "debian+PACKAGE+PACKAGE")

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"


class Reference:
    """A parsed reference; `suite` is empty for the host's own, `packages` are sorted and without repetition."""

    __slots__ = ("distribution", "packages", "suite")

    def __init__(self, distribution: str, suite: str = "", packages: tuple[str, ...] = ()) -> None:
        self.distribution = distribution
        self.suite = suite
        self.packages = packages

    def __str__(self) -> str:
        suite = f":{self.suite}" if self.suite else ""
        return self.distribution + suite + "".join(f"+{package}" for package in self.packages)


def is_foreign(text: str) -> bool:
    """Whether the name is not one of ours: it has a colon, a slash or an @, and is neither busybox nor debian."""
    if text.partition("+")[0].partition(":")[0] in ("busybox", "debian"):
        return False
    return any(mark in text for mark in ":/@")


def parse(text: str) -> Reference:
    """Parse a reference; UsageError says which part is wrong and what is known.

    Two plus signs together belong to a name (g++, libstdc++6): `debian+g+++fio` has the packages g++ and fio.
    """
    head, *packages = [part.replace("\0", "++") for part in text.replace("++", "\0").split("+")]
    distribution, colon, suite = head.partition(":")
    if distribution not in ("busybox", "debian"):
        hint = f"known images: {', '.join(KNOWN)}; one of Docker's registry needs its tag, as NAME:TAG"
        raise UsageError(f"unknown image '{text}'", hint)
    if distribution == "busybox" and (colon or packages):
        raise UsageError(f"image '{text}': busybox takes neither a suite nor packages", "type just 'busybox'")
    if colon and not _is_suite(suite):
        raise UsageError(f"image '{text}': '{suite}' is not the name of a Debian suite", "for example debian:bookworm")
    for package in packages:
        if not _is_package(package):
            raise UsageError(
                f"image '{text}': '{package}' is not the name of a Debian package",
                "lower-case letters, digits, '+', '-' and '.', at least two; for example debian+fio+redis-server",
            )
    return Reference(distribution, suite, tuple(sorted(set(packages))))


# Both names reach a command line and a folder's name, so that only what Debian itself permits passes.


def _is_suite(name: str) -> bool:
    """Whether it can be a folder under dists/ of the archive."""
    return name[:1] in tuple(_LETTERS) and name[-1] != "-" and not name.strip(_LETTERS + _DIGITS + "-")


def _is_package(name: str) -> bool:
    """Source: Debian policy 5.6.1."""
    return len(name) >= 2 and name[0] in _LETTERS + _DIGITS and not name.strip(_LETTERS + _DIGITS + "+-.")
