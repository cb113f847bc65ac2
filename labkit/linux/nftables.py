"""Rules of the kernel's packet filter, set all at once by nft(8): a script is one transaction, done whole or not."""

from __future__ import annotations

import errno
import os

from labkit.errors import LabkitError, MissingError
from labkit.linux.program import run_program

_FOLDERS = ("/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin")


def find_nft() -> str:
    """The program's path; raises MissingError where it is not installed."""
    for folder in _FOLDERS:
        if os.access(f"{folder}/nft", os.X_OK):
            return f"{folder}/nft"
    raise MissingError("a container on a bridge needs nft(8)", "sudo apt-get install nftables")


def nft(script: str) -> None:
    """Execute `script` in this network namespace; raises LabkitError, with nothing changed, when it is refused."""
    status, output = run_program(find_nft(), ("nft", "-f", "-"), ("LC_ALL=C",), script.encode(), 30.0)
    if status == 0:
        return
    first = output.partition("\n")[0].removeprefix("/dev/stdin:") or f"exit status {status}"
    advice = "the kernel needs its modules nf_tables, nft_chain_nat, nft_masq and nft_fib_inet"
    if os.strerror(errno.EPERM) in output:
        advice = "run as root"
    raise LabkitError(f"nft refuses the rules of labkit's networks: {first}", advice)
