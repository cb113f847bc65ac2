"""Finding out whether a runtime works here by running the smallest program in it, not by reading version strings."""

from __future__ import annotations

import os
import select
import tempfile

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.linux.emulated import emulated
from labkit.runtimes import bundle
from labkit.runtimes.protocol import Runtime

_DEADLINE = 5.0  # seconds
_DEADLINE_EMULATED = 120.0


def try_out(runtime: Runtime, deadline: float = 0.0) -> str:
    """Run the payload in `runtime`; returns "" when it ran, else why it did not, in the runtime's own last words.

    Without a `deadline` in seconds it has five, or two minutes where the processor is an emulator's.
    """
    deadline = deadline or (_DEADLINE_EMULATED if emulated() else _DEADLINE)
    with tempfile.TemporaryDirectory(prefix="labkit-probe-") as folder:
        # The sandbox's helpers may run as another user, who must be able to reach the root filesystem.
        os.chmod(folder, 0o755)
        payload.make(f"{folder}/rootfs")
        place = bundle.write(folder, bundle.spec(f"{folder}/rootfs", (payload.PATH,)))
        with open(f"{folder}/stderr", "w+b") as stderr, open(os.devnull, "rb") as stdin:
            reading, writing = os.pipe2(os.O_CLOEXEC)
            try:
                id = f"labkit-probe-{os.urandom(4).hex()}"
                sandbox = runtime.start(place, id, (stdin.fileno(), writing, stderr.fileno()))
            except LabkitError as error:
                os.close(reading)
                return error.message
            finally:
                os.close(writing)
            try:
                if not select.select([reading], [], [], deadline)[0]:
                    return f"a sandbox did not start within {deadline:g} s"
                output = os.read(reading, 16)
                status = sandbox.wait(deadline)
            except LabkitError as error:
                return error.message
            finally:
                sandbox.delete()
                os.close(reading)
            if status == 0 and output == payload.OUTPUT:
                return ""
            stderr.seek(0)
            return last_words(stderr.read().decode(errors="replace")) or f"exit status {status}, and no word why"


def last_words_in(log: int) -> str:
    """Those of the file that `log` is a descriptor of; it may have none."""
    return last_words(os.pread(log, 65536, 0).decode(errors="replace")) or "and no word why"


def last_words(text: str) -> str:
    """The last line that a runtime wrote, without the frame that its logger puts around it."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("hint:")]
    if not lines:
        return ""
    line = lines[-1]
    # logrus: time="…" level=error msg="…"
    _, found, message = line.partition('msg="')
    return message.rstrip('"').replace('\\"', '"') if found else line
