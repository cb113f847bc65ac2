"""Files: fio on the three kinds of places that a sandbox has: a bind mount, memory (tmpfs) and the image.

The image is only read: it is shared by all sandboxes and mounted read-only, as a bundle asks for it, so nothing can be
written there; what a container writes into an overlay ends in the same filesystem as what it writes to the bind mount.
O_DIRECT is asked for on the bind mount alone, since tmpfs refuses it.
"""

from __future__ import annotations

import json
import os

from labkit.errors import LabkitError
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import BINARY, MEMORY, SCRATCH, Args, Files, Workload

_NAME = "fio.file"
_SIZE = 32 * 2**20
_BLOCK = 2**20
# What is in the page cache stays there.
_CACHED = "--invalidate=0"


def files(scratch: str, scale: float) -> None:
    """The file that is read and written, on the disk, so that direct reads find nothing to write back first."""
    block = os.urandom(_BLOCK)
    with open(f"{scratch}/{_NAME}", "wb") as file:
        for _ in range(_SIZE // _BLOCK):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def _run(*options: str) -> tuple[str, ...]:
    return ("fio", "--output-format=json", "--ioengine=psync", "--randseed=1", *options)


def _work(path: str, kind: str, size: int, amount: float, *options: str) -> tuple[str, ...]:
    """fio(1): `amount` MiB of I/O of a kind in blocks of `size` KiB."""
    where = (f"--filename={path}", f"--size={_SIZE}")
    return _run("--name=job", *where, f"--rw={kind}", f"--bs={size}k", f"--io_size={max(1, round(amount))}M", *options)


def _direct_read(scale: float) -> tuple[str, ...]:
    return _work(f"{SCRATCH}/{_NAME}", "read", 1024, 256 * scale, "--direct=1")


def _direct_random_read(scale: float) -> tuple[str, ...]:
    return _work(f"{SCRATCH}/{_NAME}", "randread", 4, 12 * scale, "--direct=1")


def _direct_random_write(scale: float) -> tuple[str, ...]:
    return _work(f"{SCRATCH}/{_NAME}", "randwrite", 4, 8 * scale, "--direct=1")


def _random_read(scale: float) -> tuple[str, ...]:
    return _work(f"{SCRATCH}/{_NAME}", "randread", 4, 64 * scale, _CACHED)


def _write(scale: float) -> tuple[str, ...]:
    return _work(f"{SCRATCH}/{_NAME}", "write", 1024, 256 * scale)


def _memory(scale: float) -> tuple[str, ...]:
    return _work(f"{MEMORY}/{_NAME}", "randrw", 4, 48 * scale)


def _image(scale: float) -> tuple[str, ...]:
    return _run(
        "--name=job",
        f"--filename={BINARY}",
        _CACHED,
        "--readonly",
        "--rw=read",
        "--bs=128k",
        "--size=16M",
        f"--io_size={max(1, round(1024 * scale))}M",
    )


def _create(scale: float) -> tuple[str, ...]:
    """fio's engine that only makes files, empty ones."""
    where = (f"--directory={SCRATCH}", f"--nrfiles={max(1, round(400 * scale))}", "--filesize=4k", "--openfiles=1")
    return _run("--name=job", "--ioengine=filecreate", *where, "--fallocate=none")


def parse(text: str) -> list[Measurement]:
    """The rates of bytes and of operations, and percentiles of how long one took, of reads and writes together."""
    try:
        # fio's notes come first.
        job = json.loads(text[text.index("{") :])["jobs"][0]
        parts = [job[kind] for kind in ("read", "write") if job[kind]["total_ios"]]
        # Where it reads and writes, what takes longer stands for both.
        return [
            Measurement("bandwidth", "bytes/s", float(sum(part["bw_bytes"] for part in parts))),
            Measurement("rate", "1/s", float(sum(part["iops"] for part in parts))),
            *(
                Measurement(name, "s", max(part["clat_ns"]["percentile"][f"{rank}.000000"] for part in parts) / 1e9)
                for name, rank in (("latency_p50", 50), ("latency_p95", 95), ("latency_p99", 99))
            ),
        ]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise LabkitError(f"not a report of fio: {text[-160:]!r}", "see the trial's log for all of it") from error


def _workload(
    name: str,
    about: str,
    args: Args,
    main: str,
    prepare: Files | None = files,
    core: bool = False,
) -> Workload:
    packages = ("fio", "gcc") if args is _image else ("fio",)
    return Workload(f"fio-{name}", "files", about, packages, args, parse, main, core=core, files=prepare)


WORKLOADS = (
    _workload("read-direct", "bind mount: sequential direct reads of 1 MiB", _direct_read, "bandwidth"),
    _workload("randread-direct", "bind mount: random direct reads of 4 KiB", _direct_random_read, "rate", core=True),
    _workload("randwrite-direct", "bind mount: random direct writes of 4 KiB", _direct_random_write, "rate"),
    _workload("randread", "bind mount: random reads of 4 KiB from the page cache", _random_read, "rate"),
    _workload("write", "bind mount: sequential writes of 1 MiB into the page cache", _write, "bandwidth"),
    _workload("create", "bind mount: making of empty files", _create, "rate", None, core=True),
    _workload("tmpfs", "tmpfs: random reads and writes of 4 KiB", _memory, "rate", None),
    _workload("image", "image: sequential reads of 128 KiB from the page cache", _image, "bandwidth", None),
)
