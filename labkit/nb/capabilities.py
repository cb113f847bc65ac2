"""Capabilities as a notebook shows them: attempts with each alone, and what execve makes of the five sets."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pandas as pd
from IPython.display import HTML

from labkit import Container
from labkit.errors import LabkitError
from labkit.images import payload
from labkit.linux import capabilities
from labkit.linux.capability_words import WORDS
from labkit.nb import attempts
from labkit.nb.attempts import ATTEMPTS, FILE_CAPABILITY, NOBODY, NOT_SHOWN
from labkit.nb.displays import table
from labkit.spec import default

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What was given in a row of `measure` that shows an attempt without any capability.
NOTHING = "none"
# capability: what the attempt is for; given: the one that the process has; permitted: whether it was let through.
COLUMNS = ("capability", "what", "given", "permitted", "words")
_REFUSED = (errno.EPERM, errno.EACCES)
# Of a program that was not written, and of a call that the kernel was built without.
_MISSING = (127, errno.ENOSYS)


def measure(
    rootfs: str | os.PathLike[str],
    given: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Every attempt by a process with no capability, and with each of `given` (all that have an attempt) alone.

    `rootfs` is an image with busybox. A row for each, of COLUMNS; an attempt that is not possible here has none.
    """
    wanted = [NOTHING, *([attempt.capability for attempt in _possible()] if given is None else given)]
    rows = []
    for done, one in enumerate(wanted):
        found = _tried(rootfs, () if one == NOTHING else (one,))
        for attempt in _possible():
            status, said = found[attempt.capability]
            if status not in _MISSING:
                permitted, words = _outcome(attempt, status, said)
                rows.append((attempt.capability, attempt.what, one, permitted, words))
        if progress:
            progress(done + 1, len(wanted))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _possible() -> list[attempts.Attempt]:
    """Those that this host can show: root may lack capabilities, and an ordinary user's namespace other users."""
    if os.geteuid() != 0:
        return [attempt for attempt in ATTEMPTS if not attempt.others]
    held = capabilities.names(capabilities.read_sets()["permitted"])
    return [attempt for attempt in ATTEMPTS if attempt.capability in held]


def _tried(rootfs: str | os.PathLike[str], held: tuple[str, ...]) -> dict[str, tuple[int, str]]:
    """By capability of the attempt its exit status and last words, tried by a process that holds `held`."""
    others = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="labkit-") as folder:
        os.chmod(folder, 0o755)
        for name in ("given", "try"):
            os.mkdir(f"{folder}/{name}")
            os.chmod(f"{folder}/{name}", 0o755)
        attempts.write_files(f"{folder}/given", others)
        attempts.write_programs(f"{folder}/try")
        container = Container(
            rootfs, ["sh", "-c", "/try/segment; echo; exec sleep 600"], user=str(NOBODY) if others else None,
            seccomp="none", capabilities=held, volumes=[f"{folder}/given:/given", f"{folder}/try:/try:ro"],
        )  # fmt: skip
        with container:
            _start(container)
            said = container.exec(["sh", "-c", attempts.script()], user="0", timeout=60).text
    found = {}
    for line in said.splitlines():
        name, status, *words = line.split(" ", 2)
        found[name] = (int(status), words[0] if words else "")
    return found


def _start(container: Container) -> None:
    """Start it, and wait for the word that its first process has made what others look at."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            container.start(null, writing, null)
        finally:
            os.close(writing)
        os.read(reading, 1)
    finally:
        os.close(reading)
        os.close(null)


def _outcome(attempt: attempts.Attempt, status: int, said: str) -> tuple[bool, str]:
    """Whether the kernel let it through, and how it ended in words."""
    if attempt.call is None:
        # The last words of a shell or a program: `chown: /tmp/mine: Operation not permitted`.
        return status == 0, "done" if status == 0 else said.rpartition(": ")[2] or "not done"
    if status == 0:
        return True, "done"
    words = os.strerror(status)
    return (False, words) if status in _REFUSED else (True, f"let through; then: {words}")


def attempt_table(frame: pd.DataFrame) -> HTML:
    """For each attempt how it ended without any capability and with its own alone, and which others do as well."""
    lines = []
    for (name, what), rows in frame.groupby(["capability", "what"], sort=False):
        by = rows.set_index("given")
        also = [one for one in by.index[by["permitted"]] if one not in (NOTHING, name)]
        lines.append(
            {
                "capability": name,
                "attempt": what,
                "without any": by["words"].get(NOTHING, ""),
                "with it alone": by["words"].get(name, ""),
                "also with": ", ".join(one.removeprefix("CAP_") for one in also)
                if not by["permitted"][NOTHING]
                else "",
            }
        )
    return table(pd.DataFrame(lines))


def not_shown(frame: pd.DataFrame) -> HTML:
    """The capabilities without an attempt, or whose attempt is not possible here, with the reason."""
    tried, possible = set(frame["capability"]), _possible()
    reasons = dict(NOT_SHOWN)
    for attempt in ATTEMPTS:
        if attempt in possible and attempt.capability not in tried:
            reasons[attempt.capability] = "this kernel has no such call"
        elif attempt not in possible:
            ordinary = "an ordinary user's namespace has one user only"
            reasons[attempt.capability] = "root has it not itself here" if os.geteuid() == 0 else ordinary
    lines = [{"capability": name, "not shown because": reasons[name]} for name in WORDS if name in reasons]
    return table(pd.DataFrame(lines))


def words_table(names: Iterable[str] = WORDS) -> HTML:
    """What each lets a process do, the risk, and whether a container has it by default."""
    lines = [
        {
            "capability": name,
            "lets a process": WORDS[name][0],
            "risk": WORDS[name][1],
            "by default": "yes" if name in default.CAPABILITIES else "",
        }
        for name in names
    ]
    return table(pd.DataFrame(lines))


@dataclass(frozen=True, slots=True)
class Case:
    """A process before its execve: the five sets by name, its user, and whether the file has capabilities."""

    what: str
    sets: Mapping[str, tuple[str, ...]]
    user: int = 0
    file: bool = False
    no_new_privileges: bool = False

    def before(self) -> dict[str, int]:
        """The five sets as masks."""
        return {name: capabilities.mask(list(self.sets.get(name, ()))) for name in capabilities.SETS}


_OURS = ("CAP_NET_BIND_SERVICE", "CAP_NET_RAW")
_HELD = {"bounding": _OURS, "permitted": _OURS, "effective": _OURS}
CASES = (
    Case("user 0", _HELD),
    Case("user 1000", _HELD, 1000),
    Case("user 1000, inheritable too", _HELD | {"inheritable": _OURS}, 1000),
    Case("user 1000, one ambient", _HELD | {"inheritable": _OURS, "ambient": _OURS[:1]}, 1000),
    Case("user 0, nothing but the bounding set", {"bounding": _OURS}),
    Case("user 1000, a file with a capability", _HELD, 1000, file=True),
    Case("the same, with no_new_privs", {"bounding": _OURS}, 1000, file=True, no_new_privileges=True),
    Case("the same file, not in the bounding set", {}, 1000, file=True),
)


def after_execve(case: Case) -> dict[str, int] | None:
    """The five sets after execve, by the rules of capabilities(7); None where it is refused.

    F are the file's sets: for user 0 all of them are full, and any file's are empty that has no capabilities.
    """
    before = case.before()
    full = (1 << 64) - 1
    own = 1 << capabilities.NUMBERS["CAP_NET_BIND_SERVICE"] if case.file else 0
    inheritable, permitted, effective = (full, full, True) if case.user == 0 else (0, own, case.file)
    ambient = 0 if case.file else before["ambient"]
    gained = permitted & before["bounding"]
    # A program that is marked to run with its capabilities in effect does not run without them.
    if case.file and case.user != 0 and own & ~gained:
        return None
    now = before["inheritable"] & inheritable | gained | ambient
    if case.no_new_privileges and case.file:
        now &= before["permitted"]
    return before | {"ambient": ambient, "permitted": now, "effective": now if effective else ambient}


@contextmanager
def program_with_capability(rootfs: str | os.PathLike[str]) -> Iterator[str]:
    """A root filesystem with /busybox, and /marked, the same with CAP_NET_BIND_SERVICE in the file (as root)."""
    with tempfile.TemporaryDirectory(prefix="labkit-") as folder:
        os.chmod(folder, 0o755)
        payload.make(folder)
        for name in ("busybox", "busybox-marked"):
            shutil.copyfile(f"{os.fspath(rootfs)}/bin/busybox", f"{folder}/{name}")
            os.chmod(f"{folder}/{name}", 0o755)
        if os.geteuid() == 0:
            os.setxattr(f"{folder}/busybox-marked", "security.capability", FILE_CAPABILITY)
        yield folder


def seen_after_execve(rootfs: str, case: Case) -> dict[str, int] | str:
    """The five sets that the program of a container reads of itself; or why there is none.

    `rootfs` is what `program_with_capability` makes.
    """
    if os.geteuid() != 0 and (case.user or case.file):
        return "needs root: an ordinary user's namespace has one user, and no marked files"
    program = "/busybox-marked" if case.file else "/busybox"
    made = Container(rootfs, [program, "cat", "/proc/self/status"], user=str(case.user), seccomp="none",
                     no_new_privileges=case.no_new_privileges)  # fmt: skip
    wanted = made.spec.process.capabilities
    assert wanted is not None
    for name in capabilities.SETS:
        setattr(wanted, name, case.sets.get(name, ()))
    try:
        result = Container.from_spec(made.spec).run(timeout=30)
    except LabkitError as error:
        return error.message
    if result.exit_status:
        return result.stderr.decode(errors="replace").strip()
    keys = {
        "CapInh": "inheritable",
        "CapPrm": "permitted",
        "CapEff": "effective",
        "CapBnd": "bounding",
        "CapAmb": "ambient",
    }
    lines = (line.split(":") for line in result.text.splitlines())
    return {keys[key]: int(value, 16) for key, value in ((line[0], line[-1]) for line in lines) if key in keys}


@dataclass(frozen=True, slots=True)
class Execve:
    """One case: the sets before, after by the rules, and as the program saw them."""

    case: Case
    expected: dict[str, int] | None
    seen: dict[str, int] | str = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether the kernel did as the rules say; a refused execve has no sets."""
        return self.seen == self.expected if self.expected is not None else isinstance(self.seen, str)


def over_execve(rootfs: str | os.PathLike[str]) -> list[Execve]:
    """Each of CASES, tried; `rootfs` is an image with busybox."""
    with program_with_capability(rootfs) as folder:
        return [Execve(case, after_execve(case), seen_after_execve(folder, case)) for case in CASES]


def execve_table(found: Sequence[Execve]) -> HTML:
    """The sets before and after, by name, a line for each case."""
    lines = []
    for one in found:
        line = {"process": one.case.what}
        for name in capabilities.SETS:
            before = _short(one.case.before()[name])
            after = _short(one.seen[name]) if isinstance(one.seen, dict) else before
            line[name] = before if before == after else f"{before} → {after}"
        line["as capabilities(7) says"] = _agreement(one)
        lines.append(line)
    return table(pd.DataFrame(lines))


def _agreement(one: Execve) -> str:
    if isinstance(one.seen, str):
        return f"{'yes: refused' if one.agrees else 'not shown'}: {one.seen}"
    return "yes" if one.agrees else "no"


def _short(bits: int) -> str:
    return ", ".join(name.removeprefix("CAP_") for name in capabilities.names(bits)) or "∅"


def execve_sentence(found: Sequence[Execve]) -> str:
    """In how many cases the kernel does as the manual page says."""
    shown = [one for one in found if isinstance(one.seen, dict) or (one.agrees and os.geteuid() == 0)]
    agree = sum(one.agrees for one in shown)
    text = f"In {agree} of {len(shown)} cases the sets after execve are those that the rules of capabilities(7) give."
    return text if len(shown) == len(found) else f"{text} {len(found) - len(shown)} others cannot be shown here."
