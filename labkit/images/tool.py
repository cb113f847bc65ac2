"""Run skopeo(1), umoci(1) and engines' clients so that they end when we do; their failures are told in one line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO

from labkit.errors import LabkitError, MissingError
from labkit.images.cache import full_disk

# Less than this is left on a disk to which a program could not write.
_BLOCK = 1 << 16
# What a program says of a failure, and what to do about it; the first that fits.
_HINTS = (
    ("server gave HTTP response to HTTPS client", "TLS is left out for registries on the loopback interface alone"),
    ("certificate", "TLS is left out for registries on the loopback interface alone"),
    ("manifest unknown", "is the name right? skopeo list-tags docker://HOST/NAME lists a registry's tags"),
    ("name unknown", "is the name right? skopeo list-tags docker://HOST/NAME lists a registry's tags"),
    ("no descriptor found", "is the tag right? the folder's index.json has those that there are"),
    ("permission denied", "this user must be able to read it"),
    ("unauthorized", "is the name right? skopeo login HOST, where the image is not for everybody"),
    ("denied", "is the name right? skopeo login HOST, where the image is not for everybody"),
    ("no such file", "is the path right?"),
    ("no image found", "the image is not made for this machine; ask for another tag"),
    ("invalid reference format", "a name has lower-case letters, digits, '.', '-' and '_', such as HOST/name:tag"),
    ("must be lowercase", "a name has lower-case letters, digits, '.', '-' and '_', such as HOST/name:tag"),
    ("pinging container registry", "is the registry up, and the network? busybox and debian need no registry"),
    ("timeout", "is the registry up, and the network? busybox and debian need no registry"),
    ("deadline exceeded", "is the registry up, and the network? busybox and debian need no registry"),
    ("igest did not match", "what was sent is damaged, or is not what was asked for; try again, or ask for another"),
    ("igest mismatch", "what was sent is damaged, or is not what was asked for; try again, or ask for another"),
)
_FATAL = re.compile(r'level=fatal msg="((?:[^"\\]|\\.)*)"')
_PREFIX = re.compile(r'^Error (?:parsing image name|initializing source) "?[^" ]*"?: ')


def require(what: str) -> None:
    """Raise MissingError unless both programs are installed."""
    missing = [name for name in ("skopeo", "umoci") if not shutil.which(name)]
    if missing:
        raise MissingError(f"{what} needs {' and '.join(missing)}, not installed", "sudo apt-get install skopeo umoci")


def run(
    command: list[str], what: str, folder: Path | None = None, lock: int | None = None, stdin: IO[bytes] | None = None
) -> bytes:
    """What the program writes to stdout, run in `folder`, which has its temporary files, too, and with the lock held.

    Raises MissingError where there is no such program, and LabkitError with the program's own reason.
    """
    if not shutil.which(command[0]):
        package = {"ctr": "containerd"}.get(command[0], command[0])
        raise MissingError(f"{what} needs {command[0]}, not installed", f"sudo apt-get install {package}")
    # Images come from where people's own tools get them: their proxies and passwords are theirs.
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    if folder is not None:
        environment["TMPDIR"] = str(folder)
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", *command],
        stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
        pass_fds=() if lock is None else (lock,),
        # Its own session: the terminal's Ctrl-C comes to us alone, and we end it.
        start_new_session=True,
    )
    try:
        output, said = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    if process.returncode != 0:
        # umoci may crash where it should say so: its reader is still at work on what it cannot write.
        if folder is not None and _is_full(folder):
            raise full_disk(what)
        raise _failure(command[0], said.decode("utf-8", "replace"), process.returncode, what)
    return output


def _is_full(folder: str | os.PathLike[str]) -> bool:
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize < _BLOCK


def _failure(program: str, said: str, status: int, what: str) -> LabkitError:
    if "no space left on device" in said or "disk quota exceeded" in said:
        return full_disk(what)
    reason = _reason(said) or f"{program} ended with status {status}"
    if program == "umoci":
        return LabkitError(f"{what}: {reason}", "its layers are damaged, hostile, or of a kind that umoci cannot read")
    hint = next((hint for mark, hint in _HINTS if mark in reason), f"{program} says so; try its command by hand")
    return LabkitError(f"{what}: {reason}", hint)


def _reason(said: str) -> str:
    """The line that tells why, of skopeo's log or umoci's, on one line and of a bearable length."""
    if fatal := _FATAL.findall(said):
        reason = re.sub(r"\\(.)", lambda found: " " if found[1] in "nt" else found[1], fatal[-1])
        reason = _PREFIX.sub("", reason)
    else:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        marked = [line for line in lines if "⨯" in line]
        reason = (marked or lines or [""])[-1].removeprefix("⨯")
    # A registry's words come from outside, and go to a terminal.
    reason = " ".join("".join(letter if letter.isprintable() else " " for letter in reason).split())
    return reason if len(reason) <= 400 else f"{reason[:400]}…"
