"""What can be used on this host and what cannot, with the reason and the remedy."""

from __future__ import annotations

from labkit.runtimes import ALL, ENGINES, driver, facilities, machines
from labkit.runtimes.finding import Finding

__all__ = ["Finding", "examine", "study_runs"]

# Without them there is no ratio to report: the subject, and the runtime that all are compared with.
NEEDED = ("host", "labkit", "runc")


def examine() -> list[Finding]:
    """Every runtime (tried out by running a program in it), what VMs need, kernel facility and program.

    Takes some seconds, and more where a machine is emulated.
    """
    return [runtime(name) for name in ALL] + list(machines.examine()) + list(facilities.examine())


def runtime(name: str) -> Finding:
    """The state of one runtime."""
    subject = driver(name)
    try:
        probe = subject.probe()
    finally:
        if name in ENGINES:
            # Its daemon is of no use to anybody else.
            subject.cool()
    version = " ".join((probe.version, *(f"({flag})" for flag in probe.flags)))
    return Finding("runtime", name, probe.available, version, probe.reason, probe.remedy)


def in_words(findings: list[Finding]) -> str:
    """Whether the quick study can run, and without what."""
    lacking = [f.name for f in findings if f.kind == "runtime" and f.name in NEEDED and not f.available]
    if not lacking:
        return "The quick study can run on this host."
    return f"The quick study cannot run whole on this host: it lacks {', '.join(lacking)}, and every ratio to it."


def study_runs(findings: list[Finding]) -> bool:
    """Whether the quick study can run, with every ratio it reports, on a host in this state."""
    return all(finding.available for finding in findings if finding.kind == "runtime" and finding.name in NEEDED)
