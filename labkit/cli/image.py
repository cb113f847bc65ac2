"""Build, list and remove the images that containers run from."""

from __future__ import annotations

from labkit.errors import LabkitError, UsageError

USAGE = """usage: labkit image ls
       labkit image build REF
       labkit image path REF
       labkit image rm REF | --all

ls      the images in the cache: reference, size on disk, time of the build, digest of the content
build   build an image; one that is built is left as it is
path    print the folder of a built image's root filesystem
rm      remove an image, or all of them with what killed builds left

REF is busybox, debian, debian:SUITE or debian+PACKAGE+PACKAGE; `labkit run --image REF` builds it when it is missing.
The cache is $XDG_CACHE_HOME/labkit/images, by default ~/.cache/labkit/images.
"""


def main(argv: list[str]) -> int:
    """`labkit image ls | build REF | path REF | rm REF`."""
    if not argv:
        raise UsageError("labkit image needs a command", "ls, build, path or rm; labkit image --help says more")
    if any(word in ("-h", "--help") for word in argv):
        print(USAGE, end="")
        return 0
    verb, *words = argv
    if verb not in ("ls", "build", "path", "rm"):
        raise UsageError(f"{verb!r} is not a command of labkit image", "ls, build, path or rm")
    unknown = [word for word in words if word.startswith("-") and (verb, word) != ("rm", "--all")]
    if unknown:
        raise UsageError(f"labkit image {verb}: unknown option {unknown[0]}", "labkit image --help says more")
    if verb == "ls":
        if words:
            raise UsageError(f"labkit image ls takes no arguments, not {words[0]!r}", "type: labkit image ls")
        return _ls()
    if len(words) != 1:
        raise UsageError(f"labkit image {verb} needs one image", f"for example: labkit image {verb} busybox")
    if verb == "rm":
        return _remove(words[0])
    return _build(words[0]) if verb == "build" else _path(words[0])


def _ls() -> int:
    from labkit.images.cache import stored

    rows = [("REFERENCE", "SIZE", "CREATED", "DIGEST")]
    for _, facts in stored():
        size = f"{int(facts.get('size', 0)) / 1e6:.1f} MB"
        rows.append((str(facts.get("reference")), size, str(facts.get("created")), str(facts.get("digest"))[:19]))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, size, created, digest in rows:
        print(f"{name:<{widths[0]}}  {size:>{widths[1]}}  {created:<{widths[2]}}  {digest}")
    return 0


def _build(reference: str) -> int:
    from labkit.images import image

    print(image(reference).digest)
    return 0


def _path(reference: str) -> int:
    from labkit.images.image import find

    found = find(reference)
    if found is None:
        raise LabkitError(f"image '{reference}' is not built", f"labkit image build {reference}")
    print(found.__fspath__())
    return 0


def _remove(reference: str) -> int:
    from labkit.images.cache import remove, stored, stored_keys
    from labkit.images.image import find
    from labkit.images.key import resolve
    from labkit.images.reference import parse

    if reference == "--all":
        for key in stored_keys():
            remove(key, f"image {key}")
        return 0
    # By name and not by key: an upgrade of the host's busybox makes a new key, and the old image goes too.
    name = str(resolve(parse(reference)))
    keys = [place.name for place, facts in stored() if facts.get("reference") == name]
    if not keys and (found := find(reference)):
        keys = [found.key]  # Its image.json is damaged.
    if not keys:
        raise LabkitError(f"image '{reference}' is not built", "labkit image ls lists those that are")
    for key in keys:
        remove(key, f"image '{reference}'")
    return 0
