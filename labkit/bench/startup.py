"""The start-up experiment: every runtime, warm and cold, in randomised complete blocks, with an A/A control."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence

from labkit.bench.store import Run
from labkit.errors import LabkitError
from labkit.runtimes import COMPARED, NAMES

EXPERIMENT = "startup"
# The A/A control: runc under a second label. Where its ratio to runc is not 1, the method is at fault.
AGAIN = "runc-again"
STUDY = (*NAMES, AGAIN)
LABELS = (*STUDY, *COMPARED)
# The worker's exit status when its last line on stderr is [message, hint]; an unforeseen error ends Python with 1.
USER_ERROR = 3

Progress = Callable[[int, int, str], None]


def measure(
    run: Run,
    runtimes: Sequence[str] | None = None,
    warm_blocks: int = 20,
    cold_blocks: int = 5,
    seed: int = 1,
    progress: Progress | None = None,
) -> None:
    """Run blocks, in a process of their own, until `run` has as many complete ones as are asked for.

    `runtimes` are labels of LABELS (by default those of STUDY); one that is not available is recorded as such.
    `progress` is called with (trials done, trials in all, what comes next). Raises LabkitError when nothing can be
    measured; a trial that fails is recorded, and the run goes on.
    """
    labels = STUDY if runtimes is None else tuple(runtimes)
    unknown = [label for label in labels if label not in LABELS]
    if unknown:
        raise LabkitError(f"unknown runtime {unknown[0]!r}", f"the runtimes are {', '.join(LABELS)}", 2)
    if min(warm_blocks, cold_blocks) < 0 or warm_blocks + cold_blocks == 0:
        raise LabkitError("nothing to measure: no warm and no cold blocks", "give at least one block")
    # A notebook's kernel has many threads and much memory; the worker has one thread, and nothing else to do.
    order = {"runtimes": labels, "warm_blocks": warm_blocks, "cold_blocks": cold_blocks, "seed": seed}
    argv = [sys.executable, "-m", "labkit.bench.worker", str(run.folder), json.dumps(order)]
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
