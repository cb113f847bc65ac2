"""Say what of the laboratory works on this host, and what to type for the rest."""

from __future__ import annotations

import json
import sys

from labkit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.runtimes.finding import Finding

_TITLES = {
    "runtime": "Runtimes",
    "hypervisor": "Virtual machines",
    "facility": "Kernel facilities",
    "program": "Programs",
}
USAGE = """usage: labkit doctor [--json]

Tries each runtime by running a program in it, and asks the kernel for each facility. Exit status: 0 when the quick
study can run here, 1 when it cannot.
"""


def main(argv: list[str]) -> int:
    """`labkit doctor [--json]`."""
    if argv in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    if argv not in ([], ["--json"]):
        raise UsageError(f"labkit doctor does not take {argv[0]!r}", "type: labkit doctor, or labkit doctor --json")
    from labkit.runtimes import doctor

    findings = doctor.examine()
    runs = doctor.study_runs(findings)
    if argv:
        rows = [{name: getattr(finding, name) for name in finding.__slots__} for finding in findings]
        json.dump({"quick_study_runs": runs, "findings": rows}, sys.stdout, indent=1)
        print()
    else:
        print(table(findings))
        print(f"\n{doctor.in_words(findings)}")
    return 0 if runs else 1


def table(findings: list[Finding]) -> str:
    """The findings as lines: state, name, version, and for what is missing the reason and the remedy below."""
    lines = []
    width = max(len(finding.name) for finding in findings)
    kind = ""
    for finding in findings:
        if finding.kind != kind:
            kind = finding.kind
            lines += ["", _TITLES[kind]]
        mark = "yes" if finding.available else "NO"
        lines.append(f"  {mark:<4} {finding.name:<{width}}  {finding.version}".rstrip())
        if not finding.available:
            lines.append(f"       {'':<{width}}  {finding.reason}")
            lines.append(f"       {'':<{width}}  -> {finding.remedy}")
    return "\n".join(lines[1:])
