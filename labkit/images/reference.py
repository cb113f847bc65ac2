"""The names that people give to images: `busybox`, `debian`, `debian:SUITE`, `debian+PACKAGE+PACKAGE`."""

import re
from dataclasses import dataclass

from labkit.errors import UsageError

KNOWN = ("busybox", "debian", "debian:SUITE", "debian+PACKAGE+PACKAGE")

# Both reach a command line, so that only what Debian itself permits passes.
# Source: Debian policy 5.6.1 (package names); suites are the directory names under dists/ of the archive.
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
SUITE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

# A plus separates packages only where a name can begin after it, so that g++ remains one name.
SEPARATOR = re.compile(r"\+(?=[a-z0-9])")


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference; `suite` is empty for the default one, `packages` are sorted and without repetition."""

    distribution: str
    suite: str = ""
    packages: tuple[str, ...] = ()

    def __str__(self) -> str:
        suite = f":{self.suite}" if self.suite else ""
        return self.distribution + suite + "".join(f"+{package}" for package in self.packages)


def parse(text: str) -> Reference:
    """Parse a reference; UsageError says which part is wrong and what is known."""
    head, *packages = SEPARATOR.split(text)
    distribution, colon, suite = head.partition(":")
    if distribution not in ("busybox", "debian"):
        raise UsageError(f"unknown image '{text}'", f"known images: {', '.join(KNOWN)}")
    if distribution == "busybox" and (colon or packages):
        raise UsageError(f"image '{text}': busybox takes neither a suite nor packages", "type just 'busybox'")
    if colon and not SUITE.fullmatch(suite):
        raise UsageError(f"image '{text}': '{suite}' is not the name of a Debian suite", "for example debian:bookworm")
    for package in packages:
        if not PACKAGE.fullmatch(package):
            raise UsageError(
                f"image '{text}': '{package}' is not the name of a Debian package",
                "lower-case letters, digits, '+', '-' and '.', at least two; for example debian+fio+redis-server",
            )
    return Reference(distribution, suite, tuple(sorted(set(packages))))
