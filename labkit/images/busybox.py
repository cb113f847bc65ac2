"""The `busybox` image: the host's static busybox under all its names, and the little that a container expects."""

import shutil
import subprocess
from pathlib import Path

from labkit.images.elf import is_static
from labkit.images.key import BUSYBOX, missing_busybox
from labkit.images.progress import Report

FOLDERS = {"bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "proc": 0o755, "root": 0o700, "run": 0o755,
           "sbin": 0o755, "sys": 0o755, "tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755,
           "var": 0o755}  # fmt: skip
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnobody:x:65534:\n",
    # Empty files for what runtimes mount over.
    "etc/hosts": "",
    "etc/hostname": "",
    "etc/resolv.conf": "",
}


def build(rootfs: Path, report: Report) -> list[str]:
    """Fill an empty folder; returns what is installed.  Raises MissingError where busybox is absent or not static."""
    report(0.1, f"copying {BUSYBOX}")
    # A program that wants a dynamic loader would die with "not found" in a root filesystem that has none.
    if not is_static(Path(BUSYBOX)):
        raise missing_busybox(f"{BUSYBOX} is not a static program")
    for name, mode in FOLDERS.items():
        (rootfs / name).mkdir()
        (rootfs / name).chmod(mode)
    shutil.copyfile(BUSYBOX, rootfs / "bin/busybox")
    (rootfs / "bin/busybox").chmod(0o755)
    for name, text in FILES.items():
        (rootfs / name).write_text(text)
        (rootfs / name).chmod(0o644)
    report(0.5, "linking its names")
    for name in _ask("--list-full"):
        link = rootfs / name
        # Symbolic, not hard: a copy of the tree that knows nothing of hard links stays small.
        if link.parent.is_dir() and link.parent != rootfs and not link.exists():
            link.symlink_to("busybox" if link.parent == rootfs / "bin" else "../" * name.count("/") + "bin/busybox")
    return [f"busybox {_ask()[0].split()[1].removeprefix('v')}"]


def _ask(*options: str) -> list[str]:
    """Lines of what busybox says of itself; without options, first "BusyBox v1.35.0 (…) multi-call binary."."""
    done = subprocess.run([BUSYBOX, *options], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0 or len(done.stdout.split()) < 2:
        raise missing_busybox(f"{BUSYBOX} does not run here")
    return done.stdout.splitlines()
