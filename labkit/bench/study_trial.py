"""One trial of the study: a workload in a sandbox, what it says of its speed, and what it used."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from labkit.bench import usage
from labkit.bench.account import PREFIX, Account
from labkit.bench.link import SANDBOX, WIRE, linked
from labkit.bench.place import Place
from labkit.bench.treatment import Treatment, bare
from labkit.errors import LabkitError
from labkit.runtimes import Runtime, Sandbox, bundle
from labkit.runtimes.labkit import Labkit
from labkit.runtimes.trial_run import last_words_in
from labkit.spec.model import Mount, Namespace, Spec
from labkit.vm import wire
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import MEMORY, SCRATCH, Workload

# A server that ends is told at once; this is for one that an emulated machine is booted for, and that makes its files.
_READY = 180.0
_LOOPBACK = "127.0.0.1"
# Within a trial's time the machine may not have slept for longer than this, in s: the clocks differ by what they round.
_AWAKE = 0.05


During = Callable[[Runtime, str], AbstractContextManager[None]]


def _nothing(runtime: Runtime, id: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class _Trial:
    """What is run where, and what is open meanwhile: `stack` closes it.

    `log` is a descriptor for what the programs and the runtime say, `null` one for who has nothing to read or to say,
    and `out` one of a file for what is said to stdout, which is read when its program has ended.
    """

    treatment: Treatment
    workload: Workload
    place: Place
    id: str
    log: int
    during: During
    stack: ExitStack
    account: Account
    null: int
    out: int

    def text(self) -> str:
        """What was said to stdout."""
        return os.pread(self.out, 1 << 24, 0).decode(errors="replace")


def trial(
    treatment: Treatment, workload: Workload, place: Place, id: str, log: int, during: During = _nothing
) -> list[Measurement]:
    """Run `workload` once as `treatment` says; `log` is a descriptor for what the programs and the runtime say.

    `during` is a context, of the runtime and the id, for the time that a job runs, or that a server is under load.
    Raises LabkitError, with nothing left of the sandbox, when it did not run as it should; what it had written to its
    stdout is then in the log too.
    """
    slept = _asleep()
    with ExitStack() as stack:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, null)
        out = os.memfd_create("stdout", os.MFD_CLOEXEC)
        stack.callback(os.close, out)
        account = stack.enter_context(Account(id))
        one = _Trial(treatment, workload, place, id, log, during, stack, account, null, out)
        try:
            measured = _serve(one) if workload.port else _work(one)
            _check_main(workload, measured)
        except LabkitError:
            os.write(log, one.text().encode()[-65536:])
            raise
    if _asleep() - slept > _AWAKE:
        raise LabkitError(
            "the machine was asleep during the trial", "it counts as failed; the next one is measured anew"
        )
    return measured


def _work(one: _Trial) -> list[Measurement]:
    """A job: from asking for the sandbox until it is gone."""
    runtime, workload, account = one.treatment.runtime, one.workload, one.account
    with _started(one, runtime, _spec(one), one.out) as sandbox:
        with one.during(runtime, one.id), usage.watching(runtime, one.id) as watched, _own_share() as share:
            status = sandbox.wait(workload.timeout)
        sandbox.delete()
        end = time.monotonic_ns()
        _check(status, workload.args(one.place.scale)[0], one.log)
        user, system = account.cpu()
        return [
            *_parsed(workload, one.text()),
            Measurement("whole_life", "s", (end - sandbox.asked) / 1e9),
            Measurement("cpu_user", "s", user),
            Measurement("cpu_system", "s", system),
            *account.memory(),
            *watched.measured(),
            *share,
        ]


def _serve(one: _Trial) -> list[Measurement]:
    """A server: while the load from outside lasts."""
    workload, place, account = one.workload, one.place, one.account
    assert workload.load is not None
    runtime = one.treatment.served or one.treatment.runtime
    spec = _spec(one)
    address = _LOOPBACK
    if any(namespace.kind == "network" for namespace in spec.linux.namespaces):
        address = SANDBOX
        bridge = ""
        if one.treatment.plugged:
            spec.annotations[wire.ANNOTATION], bridge = WIRE.text(), WIRE.bridge
        path = one.stack.enter_context(linked(one.id, one.treatment.served is not None, bridge))
        spec.linux.namespaces = tuple(
            Namespace(kind="network", path=path) if namespace.kind == "network" else namespace
            for namespace in spec.linux.namespaces
        )
    else:
        _check_free(workload.port)
    # What the server says is no figure; it belongs to the log.
    with _started(one, runtime, spec, one.log) as sandbox:
        asked = time.monotonic_ns()
        _until_it_listens(address, workload.port, sandbox, one.log)
        ready = time.monotonic_ns()
        if workload.fill is not None:
            _load(one, sandbox, workload.fill(address, place.scale), one.log)
        cpu, before = account.cpu(), usage.snapshot(runtime, one.id)
        begin = time.monotonic_ns()
        with one.during(runtime, one.id):
            share = _load(one, sandbox, workload.load(address, place.scale), one.out)
        end = time.monotonic_ns()
        after, later = usage.snapshot(runtime, one.id), account.cpu()
        sandbox.delete()
        measured = _parsed(workload, one.text())
        # The parts of the sum are rounded, so that the smaller one can go back by a tick.
        user, system = (max(0.0, now - then) for now, then in zip(later, cpu, strict=True))
        used = [
            Measurement("cpu_per_operation", "s", (user + system) / count)
            for count in _operations(workload, measured, place.scale)
        ]
        return [
            *measured,
            *used,
            Measurement("listens", "s", (ready - asked) / 1e9),
            Measurement("load", "s", (end - begin) / 1e9),
            Measurement("cpu_user", "s", user),
            Measurement("cpu_system", "s", system),
            *account.memory(),
            *usage.between(before, after),
            *share,
        ]


@contextmanager
def _own_share() -> Iterator[list[Measurement]]:
    """Yield a list that holds, when the context is over, the share of one core that this process took, and its time."""
    share: list[Measurement] = []
    cpu, begin = time.process_time(), time.monotonic()
    yield share
    wall = time.monotonic() - begin
    share += [
        Measurement("harness", "1", (time.process_time() - cpu) / wall),
        Measurement("harness_wall", "s", wall),
    ]


def _parsed(workload: Workload, text: str) -> list[Measurement]:
    """What the output says. Raises LabkitError when it is not as the parser knows it."""
    try:
        return workload.parse(text)
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise LabkitError(
            f"the output is not as {workload.name} was known to write it: {error}", "see the trial's log for all of it"
        ) from error


def _check_main(workload: Workload, measured: list[Measurement]) -> None:
    """Raise LabkitError when the figure that stands for the workload is none that ratios could be made of."""
    main = [one.value for one in measured if one.metric == workload.main]
    if len(main) != 1 or not 0 < main[0] < float("inf"):
        shown = ", ".join(map(str, main)) or "nothing"
        raise LabkitError(f"the output says {shown} for {workload.main}", "see the trial's log for all of it")


def _operations(workload: Workload, measured: list[Measurement], scale: float) -> list[float]:
    """How many operations the load was, where that is known."""
    if workload.operations is not None:
        return [workload.operations(scale)]
    return [one.value for one in measured if one.metric == "operations" and one.value > 0]


def _spec(one: _Trial) -> Spec:
    """The bundle's text for the workload: everybody's, with two places to write to, as the treatment changes it."""
    workload, place = one.workload, one.place
    scratch = one.stack.enter_context(tempfile.TemporaryDirectory(prefix="scratch-", dir=place.folder))
    os.chmod(scratch, 0o1777)
    if workload.files is not None:
        workload.files(scratch, place.scale)
    spec = bundle.spec(place.rootfs, workload.args(place.scale))
    spec.mounts += (
        _memory(),
        Mount(destination=SCRATCH, kind="bind", source=scratch, options=("bind", "rw")),
    )
    spec.linux.cgroups_path = one.account.path
    one.treatment.alter(spec)
    return spec


def _memory() -> Mount:
    return Mount(destination=MEMORY, kind="tmpfs", source="tmpfs", options=("nosuid", "nodev", "mode=1777"))


@contextmanager
def _started(one: _Trial, runtime: Runtime, spec: Spec, out: int) -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=one.place.folder) as folder:
        os.chmod(folder, 0o755)
        bundle.write(folder, spec)
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, one.place.sandbox_cpus)
        try:
            with one.account.entered():
                sandbox = runtime.start(folder, one.id, (one.null, out, one.log))
        finally:
            os.sched_setaffinity(0, own)
        try:
            yield sandbox
        finally:
            sandbox.delete()


def _load(one: _Trial, sandbox: Sandbox, args: tuple[str, ...], out: int) -> list[Measurement]:
    """Run the load; returns what the harness took of a core meanwhile.

    Raises LabkitError when it fails; where it does because the server has ended, that is the reason.
    """
    try:
        return _outside(one, args, out)
    except LabkitError:
        _check_running(sandbox, one.log)
        raise


def _outside(one: _Trial, args: tuple[str, ...], out: int) -> list[Measurement]:
    """Run a program of the image on the host, on the load's own CPUs. Raises LabkitError when it fails."""
    cpus = ",".join(map(str, sorted(one.place.load_cpus)))
    spec = bundle.spec(one.place.rootfs, ("taskset", "-c", cpus, *args))
    spec.mounts += (_memory(),)
    bare(spec)
    spec.linux.cgroups_path = f"/{PREFIX}{one.id}-load"
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=one.place.folder) as folder:
        bundle.write(folder, spec)
        sandbox = Labkit().start(folder, f"{one.id}-load", (one.null, out, one.log))
        try:
            # To start it is over before it begins.
            with _own_share() as share:
                status = sandbox.wait(one.workload.timeout)
        finally:
            sandbox.delete()
    _check(status, args[0], one.log)
    return share


def _check_free(port: int) -> None:
    """Raise LabkitError when a program of this host listens there already, which would be measured instead."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as end:
        end.settimeout(1)
        if end.connect_ex((_LOOPBACK, port)) == 0:
            raise LabkitError(f"another program of this host listens on port {port}", "stop it for the measurement")


def _until_it_listens(address: str, port: int, sandbox: Sandbox, log: int) -> None:
    deadline = time.monotonic() + _READY
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as end:
            end.settimeout(1)
            try:
                end.connect((address, port))
            except OSError as error:
                reason = error.strerror or str(error)
            else:
                return
        if time.monotonic() > deadline:
            raise LabkitError(f"nothing listens on port {port} after {_READY:g} s: {reason}", "see the trial's log")
        # It may have ended, which is better said than waited for.
        _check_running(sandbox, log)


def _check_running(sandbox: Sandbox, log: int) -> None:
    """Raise LabkitError when the server has ended."""
    try:
        status = sandbox.wait(0.01)
    except LabkitError:
        return
    raise LabkitError(f"the server ended with status {status}: {last_words_in(log)}", "see the trial's log")


def _check(status: int, program: str, log: int) -> None:
    if status:
        raise LabkitError(f"{program} ended with status {status}: {last_words_in(log)}", "see the trial's log")


def _asleep() -> float:
    """For how long the machine has slept since it booted, in s (clock_gettime(2): CLOCK_BOOTTIME counts sleep)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
