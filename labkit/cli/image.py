"""Build, fetch, list, export and remove the images that containers run from."""

from __future__ import annotations

from labkit.errors import LabkitError, UsageError

USAGE = """usage: labkit image ls
       labkit image build REF
       labkit image path REF
       labkit image export REF FILE.tar
       labkit image rm REF | --all

ls      the images in the cache: reference, size on disk, time of the build, digest of the content, and the digest of
        the manifest, by which a registry knows one that others have made; `list` is the same
build   build or fetch an image; one that is there is left as it is
path    print the folder of a built image's root filesystem
export  write an image as an OCI archive, for `podman load` and `ctr images import`; it is built first when missing
rm      remove an image, or all of them with what killed builds left

REF is busybox, debian, debian:SUITE or debian+PACKAGE+PACKAGE, which are built here; or an image that others have made,
fetched by skopeo and umoci: docker://HOST/NAME:TAG, docker://HOST/NAME@sha256:…, NAME:TAG (at Docker's registry),
oci:/PATH:TAG, oci-archive:/PATH, docker-archive:/PATH. `labkit run --image REF` builds or fetches what is missing; a
fetched tag stays what it is until `labkit image rm`.
The cache is $XDG_CACHE_HOME/labkit/images, by default ~/.cache/labkit/images.
"""
_VERBS = ("ls", "list", "build", "path", "export", "rm")


def main(argv: list[str]) -> int:
    """`labkit image ls | build REF | path REF | export REF FILE | rm REF`."""
    if not argv:
        raise UsageError("labkit image needs a command", "ls, build, path, export or rm; labkit image --help says more")
    if any(word in ("-h", "--help") for word in argv):
        print(USAGE, end="")
        return 0
    verb, *words = argv
    if verb not in _VERBS:
        raise UsageError(f"{verb!r} is not a command of labkit image", "ls, build, path, export or rm")
    unknown = [word for word in words if word.startswith("-") and (verb, word) != ("rm", "--all")]
    if unknown:
        raise UsageError(f"labkit image {verb}: unknown option {unknown[0]}", "labkit image --help says more")
    if verb in ("ls", "list"):
        if words:
            raise UsageError(f"labkit image ls takes no arguments, not {words[0]!r}", "type: labkit image ls")
        return _ls()
    if verb == "export":
        if len(words) != 2:
            raise UsageError("labkit image export needs an image and a file", "labkit image export busybox busybox.tar")
        return _export(*words)
    if len(words) != 1:
        raise UsageError(f"labkit image {verb} needs one image", f"for example: labkit image {verb} busybox")
    if verb == "rm":
        return _remove(words[0])
    return _build(words[0]) if verb == "build" else _path(words[0])


def _ls() -> int:
    from labkit.images.cache import stored
    from labkit.images.names import of

    rows = [("REFERENCE", "SIZE", "CREATED", "DIGEST", "MANIFEST")]
    for place, facts in stored():
        size = f"{int(facts.get('size', 0)) / 1e6:.1f} MB"
        digests = [str(facts.get(name, "-"))[:19] for name in ("digest", "manifest")]
        for name in of(place.name) or [str(facts.get("reference"))]:
            rows.append((name, size, str(facts.get("created")), digests[0], digests[1]))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for name, size, created, digest, manifest in rows:
        print(f"{name:<{widths[0]}}  {size:>{widths[1]}}  {created:<{widths[2]}}  {digest:<{widths[3]}}  {manifest}")
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


def _export(reference: str, file: str) -> int:
    from pathlib import Path

    from labkit.images import image
    from labkit.images.archive import export, name

    found = image(reference)
    manifest = export(found, Path(file))
    print(f"{name(found)} {manifest}")
    return 0


def _remove(reference: str) -> int:
    from labkit.images import names
    from labkit.images.cache import remove, stored, stored_keys
    from labkit.images.image import find
    from labkit.images.key import resolve
    from labkit.images.reference import is_foreign, parse

    if reference == "--all":
        names.forget_all()
        for key in stored_keys():
            remove(key, f"image {key}")
        return 0
    if is_foreign(reference):
        return _remove_foreign(reference)
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


def _remove_foreign(reference: str) -> int:
    """Remove the name, and the image with its last name."""
    from labkit.images import names
    from labkit.images.cache import remove
    from labkit.images.foreign import parse

    name = str(parse(reference))
    key = names.key_of(name)
    if key is None:
        raise LabkitError(f"image '{name}' is not in the cache", "labkit image ls lists those that are")
    if names.of(key) == [name]:
        remove(key, f"image '{name}'")
    names.forget(name)
    return 0
