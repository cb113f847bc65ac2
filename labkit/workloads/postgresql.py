"""PostgreSQL: pgbench selects single rows by their key, 4 clients, from data in memory."""

from __future__ import annotations

from labkit.errors import LabkitError
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import MEMORY, Workload, number

PORT = 5432
_CLIENTS = 4
_DATA = f"{MEMORY}/data"
# It refuses to serve as root.
_SERVER = f"""
set -e
cd {MEMORY}
programs=$(echo /usr/lib/postgresql/*/bin)
mkdir {_DATA}
chown postgres {_DATA}
postgres() {{ setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }}
postgres $programs/initdb -D {_DATA} --auth=trust --no-sync --no-instructions --locale=C
echo "host all all 0.0.0.0/0 trust" >> {_DATA}/pg_hba.conf
exec setpriv --reuid=postgres --regid=postgres --clear-groups $programs/postgres -D {_DATA} -p {PORT} \\
    -c listen_addresses='*' -c unix_socket_directories={MEMORY} -c shared_buffers=32MB -c autovacuum=off
"""
# Each client's transactions are in a file, which is then read out: the only way to their percentiles.
_LOG = f"{MEMORY}/transactions"


def args(scale: float) -> tuple[str, ...]:
    """postgres(1), after initdb(1)."""
    return ("bash", "-c", _SERVER)


def _each(scale: float) -> int:
    return max(1, round(500 * scale))


def operations(scale: float) -> float:
    """The number of transactions."""
    return _each(scale) * _CLIENTS


def _pgbench(address: str, *options: str) -> tuple[str, ...]:
    return ("pgbench", "-h", address, "-p", str(PORT), "-U", "postgres", *options, "postgres")


def fill(address: str, scale: float) -> tuple[str, ...]:
    """pgbench(1): a table of 100 000 rows. It listens some time before it serves."""
    ready = f"pg_isready --quiet -h {address} -p {PORT}"
    make = " ".join(_pgbench(address, "--initialize", "--scale=1", "--quiet"))
    return ("sh", "-c", f"until {ready}; do sleep 0.05; done; {make}")


def load(address: str, scale: float) -> tuple[str, ...]:
    """pgbench(1), and its log."""
    options = ("--select-only", "--no-vacuum", f"--client={_CLIENTS}", f"--transactions={_each(scale)}", "--log")
    command = " ".join(_pgbench(address, *options, f"--log-prefix={_LOG}"))
    return ("sh", "-c", f"{command} && cat {_LOG}.*")


def parse(text: str) -> list[Measurement]:
    """Transactions per second, and percentiles of how long they took."""
    rate = number(r"^tps = ([\d.]+) \(without", text, "its transactions per second")
    # client, transaction, microseconds, script, and when.
    rows = [line.split() for line in text.splitlines() if line[:1].isdigit()]
    try:
        took = sorted(int(row[2]) / 1e6 for row in rows)
        percentiles = [
            Measurement(f"latency_p{rank}", "s", took[min(len(took) - 1, len(took) * rank // 100)])
            for rank in (50, 95, 99)
        ]
    except (ValueError, IndexError) as error:
        raise LabkitError("pgbench's log is not one of transactions", "see the trial's log for all of it") from error
    return [Measurement("throughput", "1/s", rate), *percentiles]


WORKLOAD = Workload(
    "postgresql",
    "applications",
    "selects of one row, 4 clients",
    ("postgresql",),
    args,
    parse,
    "throughput",
    port=PORT,
    load=load,
    fill=fill,
    operations=operations,
)
