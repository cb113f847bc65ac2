"""Who is who in a container with a user namespace, seen from inside and from outside."""

import os
import pwd
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from labkit import Container
from labkit.errors import LabkitError

Image = str | os.PathLike[str]

# The limit on open files that a container of the attempts has.
_FILES = 512
# What root might do, each harmless where it is allowed: (in words, command for the shell).
ATTEMPTS = (
    ("give the container another name", "hostname other"),
    ("mount a filesystem", "mount -t tmpfs none /tmp"),
    ("give a file of the image to another user", "touch /etc/made && chown 1000 /etc/made"),
    ("read a file of the host that only root may read", "cat /host/secret"),
    ("change the owner of that file", "chown 0 /host/secret"),
    ("make a device node", "mknod /tmp/null c 1 3"),
    ("run before others (renice)", "renice -n -5 $$"),
    ("read the kernel's log", "dmesg"),
    ("raise its own limit on open files", f"ulimit -H -n {2 * _FILES}"),
)
WITHOUT, WITH = "root without a user namespace", "root of a user namespace"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "nobody of that number"


def maps(rootfs: Image, asked: Mapping[str, str | None]) -> pd.DataFrame:
    """The uid maps of containers, by what was asked for as `userns`; a row for each line of a map, or for a refusal."""
    rows = []
    for words, userns in asked.items():
        try:
            text = Container(rootfs, ["cat", "/proc/self/uid_map"], userns=userns).run(timeout=60).text
        except LabkitError as error:
            rows.append({"asked_for": words, "ids_inside": f"cannot be shown here: {error}", "ids_outside": ""})
            continue
        for line in text.splitlines():
            inside, outside, size = (int(word) for word in line.split())
            rows.append({"asked_for": words, "ids_inside": _span(inside, size), "ids_outside": _span(outside, size)})
    return pd.DataFrame(rows)


def _span(first: int, size: int) -> str:
    return f"{first:,}" if size == 1 else f"{first:,} to {first + size - 1:,}"


def seen(rootfs: Image, userns: str | None) -> pd.DataFrame:
    """One running process and one file that it made, seen from both sides."""
    script = "touch /data/made; id -u; stat -c %u /data/made; exec sleep 1000"
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        container = Container(rootfs, ["sh", "-c", script], userns=userns, volumes=[f"{folder}:/data"])
        with container.start(log=True):
            lines = container.logs(follow=True)
            process, file = int(next(lines)), int(next(lines))
            outside = os.stat(f"/proc/{container.pid}").st_uid
            made = os.stat(f"{folder}/made").st_uid
    return pd.DataFrame(
        {"what": what, "inside": f"user {inside}", "outside": f"user {other} ({_name(other)})"}
        for what, inside, other in (("the process", process, outside), ("the file it made", file, made))
    )


def seen_in_words(frame: pd.DataFrame) -> str:
    """Whether root inside is anybody outside."""
    if frame["outside"].str.contains("nobody of that number").all():
        return "Root inside is nobody outside: no user of this host has that number."
    return f"Inside it is {frame['inside'].iloc[0]}, outside {frame['outside'].iloc[0]}."


def attempts(rootfs: Image) -> pd.DataFrame:
    """What root can do with and without a user namespace, with every capability and no filter in either."""
    columns = {}
    for column, userns in ((WITHOUT, "host"), (WITH, "auto")):
        columns[column] = [_attempt(rootfs, command, userns) for _, command in ATTEMPTS]
    return pd.DataFrame({"what": [words for words, _ in ATTEMPTS], **columns})


def _attempt(rootfs: Image, command: str, userns: str) -> str:
    options: dict[str, Any] = {"userns": userns, "cap_add": ["ALL"], "seccomp": "none", "rlimits": {"nofile": _FILES}}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        secret = Path(folder, "secret")
        secret.write_text("of the host's root\n")
        secret.chmod(0o600)
        volumes = [f"{folder}:/host"]
        result = Container(rootfs, ["sh", "-c", command], volumes=volumes, **options).run(timeout=60)
    if result.exit_status == 0:
        return "yes"
    said = result.stderr.decode(errors="replace").strip().splitlines()
    return f"no: {said[-1].rpartition(': ')[2]}" if said else "no"


def attempts_in_words(frame: pd.DataFrame) -> str:
    """How much of what it could do root of a user namespace cannot."""
    could = frame[frame[WITHOUT] == "yes"]
    lost = could[could[WITH] != "yes"]
    kept = len(could) - len(lost)
    return (
        f"Of the {len(frame)} things {len(could)} are possible without a user namespace, and of these {kept} with one: "
        f"what is the container's own. The {len(lost)} others are the host's."
    )


def owners(rootfs: Image) -> pd.DataFrame:
    """The owner of one file of the host, and of one that is made beside it: plain and idmapped."""
    rows = []
    for words, mode in (("bind mount", "rw"), ("idmapped bind mount", "idmap")):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            Path(folder, "old").touch()
            script = "stat -c %u /data/old; touch /data/new && stat -c %u /data/new"
            volumes = [f"{folder}:/data:{mode}"]
            container = Container(rootfs, ["sh", "-c", script], userns="auto", volumes=volumes)
            shown = container.run(timeout=60).text.split()
            rows += [
                {
                    "mount": words,
                    "file": what,
                    "owner_on_the_disk": os.stat(f"{folder}/{name}").st_uid,
                    "owner_seen_inside": inside,
                }
                for what, name, inside in zip(("root's of the host", "made inside"), ("old", "new"), shown, strict=True)
            ]
    return pd.DataFrame(rows)


def added_steps(rootfs: Image) -> pd.DataFrame:
    """The steps that a plan with a user namespace has, and one without has not."""
    without = {row[1] for row in Container(rootfs, ["id"], userns="host").plan.rows()}
    rows = [row for row in Container(rootfs, ["id"], userns="auto").plan.rows() if row[1] not in without]
    return pd.DataFrame(rows, columns=["who", "step", "what", "system_call", "why"]).drop_duplicates("step")


def starts(rootfs: Image, asked: Mapping[str, str], repeats: int) -> pd.DataFrame:
    """How many milliseconds a container that does nothing takes, by what `userns` was asked for, in random order."""
    order = [words for words in asked for _ in range(repeats)]
    random.shuffle(order)
    rows = []
    for words in order:
        began = time.perf_counter()
        Container(rootfs, ["true"], userns=asked[words]).run(timeout=60)
        rows.append({"kind": words, "value": (time.perf_counter() - began) * 1000})
    positions = {words: number for number, words in enumerate(asked)}
    frame = pd.DataFrame(rows, columns=["kind", "value"])
    return frame.sort_values("kind", key=lambda column: column.map(positions), kind="stable", ignore_index=True)
