"""A measurement in a process of its own, and what it tells: its progress, its errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping

from labkit.bench.store import Run
from labkit.errors import LabkitError

# The worker's exit status when its last line on stderr is [message, hint]; an unforeseen error ends Python with 1.
USER_ERROR = 3

# Told (trials done, trials in all, what comes next).
Progress = Callable[[int, int, str], None]


def work(module: str, run: Run, order: Mapping[str, object], progress: Progress | None = None) -> None:
    """Run `python -m MODULE FOLDER ORDER` to its end; see `labkit.bench.worker` for what it writes.

    Raises LabkitError when it could not measure.
    """
    # A notebook's kernel has many threads and much memory; the worker has one thread, and nothing else to do.
    argv = [sys.executable, "-m", module, str(run.folder), json.dumps(order)]
    pipe = subprocess.PIPE
    # In a session of its own: a Ctrl-C reaches it once, through this process.
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as worker:
        assert worker.stdout is not None
        assert worker.stderr is not None
        try:
            for line in worker.stdout:
                done, total, text = json.loads(line)
                if progress:
                    progress(done, total, text)
            words = worker.stderr.read()
        except BaseException:
            # It cleans up after the sandbox that it is measuring, then ends.
            worker.terminate()
            raise
    if worker.returncode == USER_ERROR:
        message, hint = json.loads(words.splitlines()[-1])
        raise LabkitError(message, hint)
    if worker.returncode:
        last = words.strip().splitlines() or ["no word why"]
        how = f"was killed by signal {-worker.returncode}" if worker.returncode < 0 else f"ended: {last[-1]}"
        raise LabkitError(
            f"the measuring process {how}",
            "what it had measured is kept; start again to go on",
        )
