"""nginx: a small file from a bind mount to 16 clients that keep their connections."""

from __future__ import annotations

import os
import re

from labkit.errors import LabkitError
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import MEMORY, SCRATCH, Workload, number

PORT = 8080
_PARTS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_CONFIGURATION = f"""\
daemon off;
worker_processes 1;
pid {MEMORY}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    {" ".join(f"{part}_temp_path {MEMORY}/{part};" for part in _PARTS)}
    server {{ listen {PORT}; root {SCRATCH}/www; }}
}}
"""
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def files(scratch: str, scale: float) -> None:
    """The configuration, and the page."""
    os.mkdir(f"{scratch}/www")
    for name, text in (("nginx.conf", _CONFIGURATION), ("www/index.html", "x" * 1023 + "\n")):
        with open(f"{scratch}/{name}", "w", encoding="ascii") as file:
            file.write(text)
    # The workers are www-data, whatever umask this process has.
    os.chmod(f"{scratch}/www", 0o755)
    os.chmod(f"{scratch}/www/index.html", 0o644)


def args(scale: float) -> tuple[str, ...]:
    """nginx(8)."""
    return ("nginx", "-c", f"{SCRATCH}/nginx.conf", "-e", "stderr")


def load(address: str, scale: float) -> tuple[str, ...]:
    """wrk(1); it counts in whole seconds."""
    seconds = str(max(1, round(scale)))
    return ("wrk", "-t", "1", "-c", "16", "-d", seconds, "--latency", f"http://{address}:{PORT}/index.html")


def parse(text: str) -> list[Measurement]:
    """Requests per second, percentiles of the latency, and the number of requests. Raises LabkitError for any error."""
    if errors := re.search(r"(Socket errors|Non-2xx).*", text):
        raise LabkitError(f"wrk met errors: {errors[0]}", "see the trial's log for all of it")
    found = [Measurement("throughput", "1/s", number(r"^Requests/sec: +([\d.]+)$", text, "its requests per second"))]
    for rank, value, unit in re.findall(r"^ +(50|90|99)% +([\d.]+)(us|ms|s)$", text, re.MULTILINE):
        found.append(Measurement(f"latency_p{rank}", "s", float(value) * _UNITS[unit]))
    if len(found) != 4:
        raise LabkitError("wrk's output lacks its percentiles", "see the trial's log for all of it")
    return [*found, Measurement("operations", "1", number(r"^ +(\d+) requests in ", text, "its number of requests"))]


WORKLOAD = Workload(
    "nginx",
    "applications",
    "GET of a file of 1 KiB, 16 connections",
    ("nginx-light", "wrk"),
    args,
    parse,
    "throughput",
    core=True,
    port=PORT,
    load=load,
    files=files,
)
