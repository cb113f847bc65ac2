"""What a guest has before it mounts anything: static busybox, kernel modules, the init script and what it runs."""

from __future__ import annotations

import os
from pathlib import Path

from labkit.errors import LabkitError, MissingError
from labkit.images.elf import is_static
from labkit.vm import cpio, modules
from labkit.vm.kernel import Kernel

BUSYBOX = "/bin/busybox"
INIT = Path(__file__).with_name("init.sh")
# The ports, which init.sh itself needs.
PORTS = "virtio_console"
# fstab(5).
_MOUNTS = """devtmpfs /dev devtmpfs nosuid
proc /proc proc nosuid,nodev,noexec
sysfs /sys sysfs nosuid,nodev,noexec
"""
_SIGNED = b"~Module signature appended~\n"
_SIGNATURE_HEAD = 12  # bytes, the length among them


class Guest:
    """What one guest is to do.

    `main` is a shell script, run in the initramfs by busybox with the host's streams; its status is the guest's.
    `modules` are loaded before it, `files` (cpio.py) are in the initramfs beside it.
    """

    __slots__ = ("files", "main", "modules")

    def __init__(self, main: str, modules: tuple[str, ...] = (), files: tuple[cpio.Entry, ...] = ()) -> None:
        self.main = main
        self.modules = modules
        self.files = files


def initramfs(kernel: Kernel, guest: Guest, mark: bytes, devices: tuple[str, ...] = ("virtio_pci",)) -> bytes:
    """The archive for `guest`, uncompressed: to copy 4 MB takes less time than to unpack them.

    `mark` ends its streams (init.sh), `devices` are the modules for its machine's (qemu.modules). Raises MissingError
    without a static busybox, LabkitError without a module.
    """
    files = modules.in_order(kernel, (*devices, PORTS, *guest.modules))
    names = [modules.name_of(file) + ".ko" for file in files]
    return cpio.archive(
        [
            *(cpio.folder(name) for name in ("bin", "dev", "labkit", "labkit/modules", "proc", "sys")),
            cpio.file("bin/busybox", _busybox(), 0o755),
            *(cpio.link(f"bin/{name}", "busybox") for name in _applets()),
            cpio.file("init", INIT.read_bytes(), 0o755),
            cpio.file("labkit/init.fstab", _MOUNTS.encode()),
            cpio.file("labkit/mark", mark),
            *(cpio.pipe(f"labkit/{name}") for name in ("stdin", "stdout", "stderr")),
            cpio.file("labkit/main", guest.main.encode("utf-8", "surrogateescape"), 0o755),
            cpio.file("labkit/modules.order", "".join(f"{name}\n" for name in names).encode()),
            *(
                cpio.file(f"labkit/modules/{name}", _lean(_module(file)))
                for name, file in zip(names, files, strict=True)
            ),
            *guest.files,
        ]
    )


def _applets() -> list[str]:
    """The names that init.sh and the scripts of guests call busybox by; more are to be had as `busybox NAME`."""
    return "base64 cat chroot cp hostname insmod ip ln mkdir mount poweroff rm setsid sh sleep".split()


def _busybox() -> bytes:
    hint = "sudo apt-get install busybox-static"
    try:
        if not is_static(Path(BUSYBOX)):
            raise MissingError(f"{BUSYBOX} is not a static program, as a guest needs it", hint)
        return Path(BUSYBOX).read_bytes()
    except OSError as error:
        raise MissingError(f"{BUSYBOX}, which guests start with: {error.strerror}", hint) from error


def _lean(module: bytes) -> bytes:
    """A module without what takes longer to check than the rest to load, above all where the processor is emulated.

    Those are its signature (module_signature.h: at the end a length, then these words), since nobody but us puts
    modules there; and its types for eBPF, for which the kernel would first read all of its own. The section stays,
    under a name that the kernel does not look for.
    """
    if module.endswith(_SIGNED):
        length = int.from_bytes(module[-len(_SIGNED) - 4 : -len(_SIGNED)])
        module = module[: -len(_SIGNED) - _SIGNATURE_HEAD - length]
    return module.replace(b"\0.BTF\0", b"\0.btf\0")


def _module(path: str) -> bytes:
    """A module's content; busybox loads only what is not compressed."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise LabkitError(f"{path}: {error.strerror}", "its package is damaged: install the kernel again") from error
    if path.endswith(".xz"):
        import lzma

        return lzma.decompress(content)
    if path.endswith(".gz"):
        import gzip

        return gzip.decompress(content)
    if not path.endswith(".ko"):
        raise LabkitError(
            f"{os.path.basename(path)} is compressed in a way that is not known here", "give another --kernel"
        )
    return content
