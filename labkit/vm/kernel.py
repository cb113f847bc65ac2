"""The kernel that a guest boots: the distribution's cloud kernel, installed, or unpacked into the cache.

    $XDG_CACHE_HOME/labkit/vm/PACKAGE_VERSION/boot/vmlinuz-RELEASE
    $XDG_CACHE_HOME/labkit/vm/PACKAGE_VERSION/lib/modules/RELEASE/

A package is downloaded and unpacked, not installed: an ordinary user can do it, and the host does not boot from it.
"""

from __future__ import annotations

import fcntl
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

from labkit.errors import LabkitError, MissingError

META_PACKAGE = {"x86_64": "linux-image-cloud-amd64"}
INSTALLED = "/boot/vmlinuz-*-cloud-*"
_HINT = "sudo apt-get update; or give a kernel: labkit vm run --kernel /boot/vmlinuz-…"


class Kernel:
    """`image` is a bzImage, `release` what its uname -r will say, `modules` its folder of modules, or "" for none."""

    __slots__ = ("image", "modules", "release")

    def __init__(self, image: str, release: str, modules: str) -> None:
        self.image = image
        self.release = release
        self.modules = modules


def find(path: str = "") -> Kernel:
    """The kernel at `path`; without one an installed cloud kernel, else the cached one, else one that is downloaded.

    Raises LabkitError for a file that is no kernel and for a download that fails, MissingError for missing programs.
    """
    if path:
        return read(path)
    for pattern in (INSTALLED, f"{folder()}/*/boot/vmlinuz-*"):
        for image in sorted(glob.glob(pattern), key=_natural, reverse=True):
            # Some distributions let nobody but root read it.
            if os.access(image, os.R_OK) and (kernel := read(image)).modules:
                return kernel
    return read(download())


def folder() -> str:
    """Where kernels are kept.  Source: XDG Base Directory Specification (a relative XDG_CACHE_HOME is ignored)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return f"{base if os.path.isabs(base) else os.path.expanduser('~/.cache')}/labkit/vm"


def read(image: str) -> Kernel:
    """The kernel in the file `image`, with the modules beside it or of the host.

    Raises LabkitError for anything but a bzImage.  Source: Documentation/arch/x86/boot.rst, kernel_version.
    """
    try:
        with open(image, "rb") as file:
            header = file.read(0x10000)
    except OSError as error:
        raise LabkitError(
            f"{image}: {error.strerror}", "--kernel takes a kernel's file, such as /boot/vmlinuz-…"
        ) from error
    start = int.from_bytes(header[0x20E:0x210], "little") + 0x200
    text = header[start : start + 256].partition(b"\0")[0]
    if header[0x202:0x206] != b"HdrS" or not text:
        raise LabkitError(f"{image} is not a Linux kernel (bzImage)", "--kernel takes a file such as /boot/vmlinuz-…")
    release = text.split()[0].decode(errors="replace")
    above = os.path.dirname(os.path.dirname(os.path.abspath(image)))
    places = (f"{above}/lib/modules/{release}", f"/lib/modules/{release}")
    found = [place for place in places if os.path.exists(f"{place}/modules.dep")]
    return Kernel(os.path.abspath(image), release, found[0] if found else "")


def download() -> str:
    """Unpack the newest cloud kernel of the package archive into the cache, and return its image's path.

    The second of two that do so at once waits for the first.
    """
    machine = os.uname().machine
    if machine not in META_PACKAGE:
        raise MissingError(f"no kernel for guests on {machine}", f"guests are written for {' and '.join(META_PACKAGE)}")
    for program, package in (("apt-get", "apt"), ("apt-cache", "apt"), ("dpkg-deb", "dpkg")):
        if shutil.which(program) is None:
            hint = f"install {package}, or give a kernel: labkit vm run --kernel /boot/vmlinuz-…"
            raise MissingError(f"{program} is not installed, and there is no cloud kernel in /boot", hint)
    try:
        os.makedirs(folder(), exist_ok=True)
        with open(f"{folder()}/lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for killed in glob.glob(f"{folder()}/partial-*"):
                shutil.rmtree(killed, ignore_errors=True)
            done = glob.glob(f"{folder()}/*/boot/vmlinuz-*")
            return max(done, key=_natural) if done else _unpack(_package(META_PACKAGE[machine]))
    except OSError as error:
        hint = "set XDG_CACHE_HOME to a folder that you can write to, with 200 MB free"
        raise LabkitError(f"the kernel cannot be kept: {error.filename}: {error.strerror}", hint) from error


def _package(meta: str) -> str:
    """The package that the meta-package depends on now."""
    said = _run(["apt-cache", "depends", "--important", meta], "/")
    if found := re.search(r"Depends: (linux-image-\S+)", said):
        return found[1]
    raise LabkitError(f"the package archive has no {meta}", _HINT)


def _unpack(package: str) -> str:
    print(f"labkit: downloading {package} for the VM (27 MB)", file=sys.stderr, flush=True)
    partial = tempfile.mkdtemp(prefix="partial-", dir=folder())
    try:
        # As root apt-get would complain that its own user cannot write here.
        _run(["apt-get", "download", "--quiet=2", "-o", "APT::Sandbox::User=root", package], partial)
        [archive] = glob.glob(f"{partial}/*.deb")
        tree = f"{partial}/tree"
        _run(["dpkg-deb", "--extract", archive, tree], partial)
        [modules] = glob.glob(f"{tree}/lib/modules/*") or glob.glob(f"{tree}/usr/lib/modules/*")
        if modules.startswith(f"{tree}/usr"):
            os.symlink("usr/lib", f"{tree}/lib")
        # What the package's post-installation script would do.
        _run([*_depmod(), "-b", tree, os.path.basename(modules)], partial)
        place = f"{folder()}/{os.path.basename(archive).removesuffix('.deb')}"
        shutil.rmtree(place, ignore_errors=True)
        os.chmod(tree, 0o755)
        os.rename(tree, place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    [image] = glob.glob(f"{place}/boot/vmlinuz-*")
    return image


def _depmod() -> list[str]:
    """kmod's program, which an ordinary user's PATH often lacks, or busybox's."""
    path = shutil.which("depmod", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return [path] if path else ["busybox", "depmod"]


def _run(command: list[str], cwd: str) -> str:
    """What the command printed; its last line of complaint as LabkitError where it fails."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise MissingError(f"{command[0]} is not installed", f"sudo apt-get install {command[0]}-static") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].removeprefix("E: ") if lines else f"ended with status {done.returncode}"
        raise LabkitError(
            f"no kernel for the VM: {command[0]}: {reason}",
            _HINT,
        )
    return done.stdout


def _natural(path: str) -> list[tuple[int, str]]:
    """Orders 6.1.0-56 after 6.1.0-9."""
    return [(int(word), "") if word.isdigit() else (-1, word) for word in re.split(r"(\d+)", os.path.basename(path))]
