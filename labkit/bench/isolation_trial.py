"""One trial of the isolation experiment: the probe, the attempts, or a workload with the host's kernel traced."""

from __future__ import annotations

import os
import select
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, cast

from labkit.bench import host_calls
from labkit.bench.host_calls import Heard
from labkit.bench.isolation import CLOSED, OPEN, PAYLOAD, SHELL, STOPPED, STOPS
from labkit.bench.place import Place
from labkit.bench.study_trial import trial as run_workload
from labkit.bench.treatment import Treatment
from labkit.errors import LabkitError
from labkit.images import payload
from labkit.linux.tracefs import Instance
from labkit.runtimes import Runtime, bundle
from labkit.runtimes.trial_run import last_words_in
from labkit.spec.model import Mount
from labkit.workloads import attempts
from labkit.workloads.measurement import Measurement
from labkit.workloads.probe import look, table
from labkit.workloads.workload import MEMORY, SCRATCH, Workload

_TIMEOUT = 120.0
# What a shell does all day: files made, read, renamed and removed, processes and pipes, the clock, a name.
_JOB = """
for i in 1 2 3; do
ls -lR /bin /dev > /tmp/list; sort /tmp/list | md5sum > /tmp/sum; cp /tmp/list /tmp/copy; mv /tmp/copy /tmp/moved
chmod 600 /tmp/moved; ln -s moved /tmp/link; stat /tmp/link; mkdir /tmp/d; rmdir /tmp/d; rm /tmp/link /tmp/moved
sleep 0.01; date; uname -a; id; ps; env; df; kill -0 $$
done > /dev/null 2>&1
"""
# Says that it is there, waits until it is followed, and becomes the program.
_WAITING = ("sh", "-c", 'echo; read x; exec "$0" "$@"')


@dataclass(frozen=True, slots=True)
class Rooms:
    """The root filesystems of the trials: of the payload, of the probe, of busybox; and where the study's are run."""

    folder: str
    busybox: str
    study: Place | None = None

    def make(self) -> None:
        """Make the first two below the folder."""
        payload.make(f"{self.folder}/payload")
        look.make_rootfs(f"{self.folder}/probe")


def probed(one: Treatment, rooms: Rooms) -> list[Measurement]:
    """What the probe finds open and closed, in all and by area."""
    with _bundle(one, rooms, f"{rooms.folder}/probe", (look.PATH,)) as place:
        counted = table.counted(look.look(one.runtime, place, _TIMEOUT))
    found = []
    for word in (OPEN, CLOSED):
        found.append(Measurement(word, "1", float(counted[word].sum())))
        found += [
            Measurement(f"{word} {area}", "1", float(number))
            for area, number in zip(counted["area"], counted[word], strict=True)
        ]
    return found


def attempted(one: Treatment, rooms: Rooms) -> list[Measurement]:
    """How many attempts are stopped, and which: 1 for one that is."""
    with _bundle(one, rooms, rooms.busybox, ("sh", "-c", attempts.script()), memory=True) as place:
        through = attempts.attempt(one.runtime, place, _TIMEOUT)
    if len(through) != len(attempts.ATTEMPTS):
        raise LabkitError(f"{len(through)} of {len(attempts.ATTEMPTS)} attempts were made", "see what it printed")
    return [
        Measurement(STOPPED, "1", float(sum(not went for went in through.values()))),
        *(Measurement(f"{STOPS}{name}", "1", float(not went)) for name, went in through.items()),
    ]


def traced(
    one: Treatment, name: str, workload: Workload | None, rooms: Rooms, id: str, log: int, functions: bool
) -> list[Measurement]:
    """Run a workload with its system calls on the host traced, then, where `functions` can be, once more with these."""
    run = partial(_run, one, name, workload, rooms)
    with host_calls.calls_traced(id) as instance:
        measured = host_calls.calls_measured(run(id, log, instance, False))
    if functions:
        with host_calls.functions_traced(f"{id}-f") as instance:
            measured += host_calls.functions_measured(run(f"{id}-f", log, instance, True))
    return measured


def _run(
    one: Treatment,
    name: str,
    workload: Workload | None,
    rooms: Rooms,
    id: str,
    log: int,
    instance: Instance,
    functions: bool,
) -> Heard:
    instance.functions() if functions else instance.calls()
    listen = partial(host_calls.heard, instance, functions=functions)
    if name == PAYLOAD:
        return _created(one, rooms, id, log, listen)
    if name == SHELL:
        return _waiting(one, rooms, rooms.busybox, ("sh", "-c", _JOB), id, log, listen)
    assert workload is not None
    assert rooms.study is not None
    if not workload.port:
        scale, files = rooms.study.scale, workload.files

        def fill(scratch: str) -> None:
            if files is not None:
                files(scratch, scale)

        return _waiting(one, rooms, rooms.study.rootfs, workload.args(scale), id, log, listen, fill)
    kept: list[Heard] = []

    @contextmanager
    def during(runtime: Runtime, id: str) -> Iterator[None]:
        with listen(runtime, id) as heard:
            yield
        kept.append(heard)

    run_workload(one, workload, rooms.study, id, log, during)
    return kept[0]


def _no_files(scratch: str) -> None:
    """Most jobs need none."""


_Listen = Callable[[Runtime, str], AbstractContextManager[Heard]]


def _created(one: Treatment, rooms: Rooms, id: str, log: int, listen: _Listen) -> Heard:
    """The payload in a sandbox that is made first: from its start to its end."""
    with (
        _bundle(one, rooms, f"{rooms.folder}/payload", (payload.PATH,)) as place,
        tempfile.TemporaryFile() as output,
        open(os.devnull, "rb") as nothing,
    ):
        sandbox = one.runtime.create(place, id, (nothing.fileno(), output.fileno(), log))
        try:
            with listen(one.runtime, id) as heard:
                sandbox.start()
                status = sandbox.wait(_TIMEOUT)
        finally:
            sandbox.delete()
        output.seek(0)
        _check(status, log, output.read() == payload.OUTPUT)
    return heard


def _waiting(
    one: Treatment,
    rooms: Rooms,
    rootfs: str,
    args: tuple[str, ...],
    id: str,
    log: int,
    listen: _Listen,
    files: Callable[[str], None] = _no_files,
) -> Heard:
    """A job, from the execve(2) of its program to its end: the sandbox is there before, and waits."""
    with ExitStack() as stack:
        place = stack.enter_context(_bundle(one, rooms, rootfs, (*_WAITING, *args), True, files))
        theirs_in, ours_in = os.pipe2(os.O_CLOEXEC)
        ours_out, theirs_out = os.pipe2(os.O_CLOEXEC)
        output = stack.enter_context(open(ours_out, "rb", buffering=0))
        go = stack.enter_context(open(ours_in, "wb", buffering=0))
        try:
            sandbox = one.runtime.start(place, id, (theirs_in, theirs_out, log))
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        try:
            if not select.select([output], [], [], _TIMEOUT)[0] or output.read(1) != b"\n":
                raise LabkitError("the sandbox did not come so far as to wait", "see the trial's log")
            # What the program writes is of no interest, but it would wait for ever for a reader.
            reader = threading.Thread(target=_discard, args=(cast("BinaryIO", output),))
            with listen(one.runtime, id) as heard:
                reader.start()
                go.write(b"\n")
                status = sandbox.wait(_TIMEOUT)
        finally:
            sandbox.delete()
        reader.join()
        _check(status, log)
    return heard


def _discard(output: BinaryIO) -> None:
    while output.read(65536):
        pass


@contextmanager
def _bundle(
    one: Treatment,
    rooms: Rooms,
    rootfs: str,
    args: tuple[str, ...],
    memory: bool = False,
    files: Callable[[str], None] = _no_files,
) -> Iterator[str]:
    """The study's bundle of these arguments as a folder, where `memory` says so with places to write to.

    `files` puts into one of these what the program needs.
    """
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=rooms.folder) as folder:
        os.chmod(folder, 0o755)
        spec = bundle.spec(rootfs, args)
        if memory:
            scratch = f"{folder}/scratch"
            os.mkdir(scratch)
            os.chmod(scratch, 0o1777)
            files(scratch)
            spec.mounts += (
                Mount(destination=MEMORY, kind="tmpfs", source="tmpfs", options=("nosuid", "nodev", "mode=1777")),
                Mount(destination=SCRATCH, kind="bind", source=scratch, options=("bind", "rw")),
            )
        one.alter(spec)
        yield bundle.write(folder, spec)


def _check(status: int, log: int, whole: bool = True) -> None:
    if status or not whole:
        raise LabkitError(f"exit status {status}: {last_words_in(log)}", "see the trial's log")
