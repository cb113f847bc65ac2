"""Run mmdebstrap so that it ends when we do, and read from its output how far it is and why it failed."""

import os
import signal
import subprocess

from labkit.errors import LabkitError, MissingError
from labkit.images.cache import full_disk
from labkit.images.progress import Report
from labkit.images.reference import Reference

# What mmdebstrap -v writes when a phase begins, what we call it, and the part of the whole at its start and end;
# measured on a machine with 2 cores. Of lines in a phase we count those of apt and dpkg for one package each.
PHASES = (
    ("I: running apt-get update", "fetching package lists", 0.0, 0.1),
    ("I: downloading packages", "downloading essential packages", 0.1, 0.2),
    ("I: extracting archives", "extracting", 0.2, 0.25),
    ("I: installing essential", "installing essential packages", 0.25, 0.6),
    ("I: installing remaining", "downloading and installing the other packages", 0.6, 0.95),
    ("I: cleaning", "cleaning up", 0.95, 0.97),
)
COUNTED = ("Get:", "Unpacking ", "Setting up ")

# Seconds for a build to clean up after itself before it is killed.
GRACE = 10.0


class Progress:
    """The state of a build, from the lines of its output."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.phase = PHASES[0]
        self.done = 0
        self.packages = 0

    def read(self, line: str) -> None:
        """Take one line of the output into account, and report."""
        for phase in PHASES:
            if line.startswith(phase[0]):
                self.phase, self.done = phase, 0
                break
        else:
            words = line.split()
            if words[3:5] == ["newly", "installed,"]:
                self.packages = int(words[2])
            elif line.startswith(COUNTED):
                self.done += 1
            else:
                return
        _, text, start, end = self.phase
        # At most three lines a package: fetched, unpacked, set up.
        self.report(start + (end - start) * min(1.0, self.done / (3 * self.packages or 20)), text)


class Mmdebstrap:
    """Calls a program for one build, with the lock of the image held by it and by all it starts."""

    def __init__(self, reference: Reference, lock: int, report: Report) -> None:
        self.reference = reference
        self.lock = lock
        self.progress = Progress(report)

    def __call__(self, command: list[str], **variables: str) -> None:
        """Run to the end; a failure is LabkitError with the line that tells the reason."""
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **variables}
        # Dates in the tree (shadow(5), caches) are then the same in each build.
        environment["SOURCE_DATE_EPOCH"] = "1700000000"
        # An ordinary user's PATH often lacks sbin, where dpkg wants ldconfig.
        environment["PATH"] = f"{environment.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=(self.lock,),
                # Its own session: the terminal's Ctrl-C comes to us alone, and we end it in order.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise MissingError(f"{error.filename} is not installed", "sudo apt-get install util-linux") from error
        lines = []
        try:
            assert process.stdout is not None
            for raw in process.stdout:
                line = raw.decode("utf-8", "replace").rstrip()
                self.progress.read(line)
                if line.startswith(("E: ", "dpkg: error", "unshare: ", "setpriv: ", "tar: ")) or _tells_full_disk(line):
                    lines.append(line)
            status = process.wait()
        except BaseException:
            _end(process)
            raise
        if status != 0:
            raise self._failure(lines, status)

    def _failure(self, lines: list[str], status: int) -> LabkitError:
        what = f"image '{self.reference}'"
        if any(_tells_full_disk(line) for line in lines):
            return full_disk(what)
        # The first says why; those after it say what failed because of it.
        reason = lines[0].removeprefix("E: ") if lines else f"mmdebstrap ended with status {status}"
        if "Unable to locate package" in reason or "no installation candidate" in reason:
            return LabkitError(f"{what}: {reason}", f"apt-cache search NAME finds names; suite {self.reference.suite}")
        return LabkitError(
            f"{what}: {reason}", "building needs Debian's archive: is the network up, is the suite right?"
        )


def _tells_full_disk(line: str) -> bool:
    return "No space left on device" in line or "enough free space in" in line or "Disk quota exceeded" in line


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a build and wait until the last of its processes is gone, which is when its output is closed."""
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
            process.communicate(timeout=seconds)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            process.wait()
            return
