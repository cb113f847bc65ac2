"""Running the probe in a runtime, in a bundle that is the same for all."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading

import pandas as pd

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.runtimes import Runtime, bundle
from labkit.runtimes.trial_run import last_words_in
from labkit.workloads.probe.program import program
from labkit.workloads.probe.table import read

PATH = "/probe"
# gVisor takes two seconds where the others take a fifth of one.
TIMEOUT = 60.0


def prepare(folder: str) -> str:
    """Make the root filesystem and the bundle below `folder`; returns the bundle's folder."""
    # Helpers of a sandbox may run as another user, who must be able to reach the root filesystem.
    os.chmod(folder, 0o755)
    make_rootfs(f"{folder}/rootfs")
    return bundle.write(f"{folder}/bundle", bundle.spec(f"{folder}/rootfs", (PATH,)))


def make_rootfs(rootfs: str) -> None:
    """Make a root filesystem with nothing but the probe, and the folders that a runtime mounts on."""
    for name in payload.FOLDERS:
        os.makedirs(f"{rootfs}/{name}", exist_ok=True)
    shutil.copy(program(), f"{rootfs}{PATH}")


def look(runtime: Runtime, place: str, timeout: float = TIMEOUT) -> pd.DataFrame:
    """The probe's table (see table.read) of a sandbox that `runtime` makes of the bundle `place`.

    Raises LabkitError, with nothing left of the sandbox, when it does not run to its end.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with open(reading, "rb") as output, tempfile.TemporaryFile() as log, open(os.devnull, "rb") as nothing:
        try:
            sandbox = runtime.start(
                place, f"labkit-look-{os.urandom(4).hex()}", (nothing.fileno(), writing, log.fileno())
            )
        finally:
            os.close(writing)
        written: list[bytes] = []
        # The table is larger than a pipe: who does not read it waits for ever.
        reader = threading.Thread(target=lambda: written.append(output.read()))
        reader.start()
        try:
            status = sandbox.wait(timeout)
        finally:
            sandbox.delete()
            reader.join()
        if status:
            raise LabkitError(f"{runtime.name}: exit status {status}: {last_words_in(log.fileno())}", "labkit doctor")
    return read(written[0].decode(errors="replace"))


def look_at(runtimes: dict[str, Runtime]) -> dict[str, pd.DataFrame]:
    """The tables of several runtimes, all given the same bundle, by their names."""
    with tempfile.TemporaryDirectory(prefix="labkit-look-") as folder:
        place = prepare(folder)
        return {name: look(runtime, place) for name, runtime in runtimes.items()}
