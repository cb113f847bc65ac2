"""One OCI bundle in a virtual machine of its own: the process that stands for it on the host, as Kata's shim does.

    host      this process: holds QEMU and a virtiofsd for each share, passes the streams on, ends as the container did
    QEMU      the machine; whatever its guest does, it does there
    guest     an initramfs with crun, which runs the same bundle again, in namespaces of the guest's kernel

Killed in whatever way, it takes QEMU and the daemons with it. Its folder has sockets by which others talk with it:

    FOLDER/requests       signal N, start, end; exec, a mark and arguments in JSON: a datagram each (agent.sh)
    FOLDER/stdin …        the streams of a process that exec adds
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from labkit.errors import LabkitError, MissingError
from labkit.spec.load import load_bundle
from labkit.spec.model import Process
from labkit.vm import cpio, kernel, libraries, machine, probe, wire
from labkit.vm.guest_bundle import LAYER, PLACE, GuestBundle, take_apart
from labkit.vm.initramfs import Guest
from labkit.vm.qemu import Hardware

MAIN = Path(__file__).with_name("container.sh")
AGENT = Path(__file__).with_name("agent.sh")
# The socket for requests, made last.
READY = "requests"
STREAMS = ("stdin", "stdout", "stderr", "status")
# v2 alone, as the runtime in the guest wants it; and, as Kata has it, nothing that a machine of our own making can do
# without: waiting for all readers, tests of ciphers and of the timer, looking for further buses.
CMDLINE = "quiet cgroup_no_v1=all rcupdate.rcu_expedited=1 cryptomgr.notests no_timer_check pci=lastbus=0"
_MODULES = ("virtiofs", "overlay")
_LONGEST = 1 << 17  # a request
_HOLD = b"#!/bin/sh\necho >/run/created\nread -r word </run/held\n"


def main() -> None:
    """`python -c … BUNDLE ID FOLDER MACHINE [NAME]`: run the bundle, end as the container or with 125 and why not.

    With the name of an abstract socket the container is held when it is made, and somebody there is told so: a
    datagram `created`, or `failed` and the reason.
    """
    bundle, id, folder, machine_type, *name = sys.argv[1:]
    try:
        status = run(bundle, id, folder, machine_type, name[0] if name else "")
    except LabkitError as error:
        print(f"microvm: {error}", file=sys.stderr)
        _tell(name[0] if name else "", f"failed {error}")
        status = error.exit_status
    # At once: nothing is left to be undone.
    os._exit(status)


def run(bundle: str, id: str, folder: str, machine_type: str, held: str = "") -> int:
    """Boot a machine for `bundle` with our own stdio, and return the container's exit status.

    `folder` gets the sockets; `machine_type` is one of qemu.MACHINES, `held` as for main(). Raises SpecError for what
    cannot be honoured in a guest, MissingError for what is not installed, else as machine.run().
    """
    spec = load_bundle(bundle)
    process = spec.process
    parts = take_apart(spec, os.geteuid() != 0)
    chosen = kernel.find()
    hardware = Hardware(parts.memory, parts.cpus, probe.accelerator(chosen), cmdline=CMDLINE)
    hardware.machine = machine_type
    with ExitStack() as stack:
        requests = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC))
        servers = [_listening(stack, f"{folder}/{name}") for name in STREAMS]
        requests.bind(f"{folder}/{READY}")
        if parts.wire:
            hardware.tap, hardware.mac = wire.plugged(parts.wire, parts.namespace), parts.wire.mac()
            stack.callback(os.close, hardware.tap)

        def told(words: str) -> None:
            if words == "created":
                _tell(held, words)

        line = machine.Line(
            requests.fileno(), lambda: translate(requests.recv(_LONGEST), process), told, tuple(servers)
        )
        return machine.run(chosen, guest(parts, id, bool(held)), hardware, tuple(parts.shares), line=line)


def translate(request: bytes, process: Process) -> bytes:
    """A request in the words of the guest's agent: for exec the process of the bundle with other arguments."""
    if not request.startswith(b"exec "):
        return request + b"\n"
    word, mark, arguments = request.decode().split(" ", 2)
    added = process.dump() | {"args": json.loads(arguments)}
    return f"{word} {mark} {base64.b64encode(json.dumps(added).encode()).decode()}\n".encode()


def guest(parts: GuestBundle, id: str, held: bool) -> Guest:
    """What the guest of a sandbox has and does."""
    command = f"id={shlex.quote(id)}\n"
    if parts.wire:
        command += f"address={parts.wire.address}\ngateway={parts.wire.gateway}\n"
    configuration = parts.spec.dump()
    if held:
        configuration["hooks"] = {"createContainer": [{"path": "/labkit/hold"}]}
    files = [
        *(cpio.folder(name) for name in ("crun", "labkit/bundle", "new", PLACE.strip("/"), "root", "run", "tmp")),
        *(cpio.folder(f"{PLACE.strip('/')}/{share.tag}") for share in parts.shares),
        *(cpio.pipe(f"run/{name}") for name in ("created", "held", "exec.in")),
        *(_layer() if parts.spec.root.readonly else ()),
        cpio.file("labkit/fstab", mounts(parts).encode()),
        cpio.file("labkit/command", command.encode()),
        cpio.file("labkit/agent", AGENT.read_bytes()),
        cpio.file("labkit/hold", _HOLD, 0o755),
        cpio.file("labkit/bundle/config.json", json.dumps(configuration).encode()),
        *(cpio.file(f"{PLACE.strip('/')}/{name}", content) for name, content in parts.copies),
        *libraries.program(crun(), "crun"),
    ]
    modules = (*_MODULES, "virtio_net") if parts.wire else _MODULES
    return Guest(MAIN.read_text(), modules, tuple(files))


def mounts(parts: GuestBundle) -> str:
    """What the guest of a sandbox mounts, in the form of fstab(5).

    Its root is a mount of its own, /new, since pivot_root(2) does not leave the initramfs itself.
    """
    lines = ["/ /new none rbind", "cgroup2 /new/sys/fs/cgroup cgroup2 nosuid,nodev,noexec"]
    # For crun: see container.sh.
    lines.append("ramfs /new/crun ramfs nosuid,nodev,mode=755")
    lines += [f"{share.tag} /new{PLACE}/{share.tag} virtiofs defaults" for share in parts.shares]
    if parts.spec.root.readonly:
        # Where places for the container's mounts are missing they are made, in memory: the share is read-only.
        layer = f"/new{PLACE}/{LAYER}"
        options = f"lowerdir=/new{PLACE}/rootfs,upperdir={layer}/upper,workdir={layer}/work"
        lines.append(f"overlay {layer}/root overlay {options}")
    return "".join(f"{line}\n" for line in lines)


def _layer() -> list[cpio.Entry]:
    layer = f"{PLACE.strip('/')}/{LAYER}"
    return [cpio.folder(path) for path in (layer, f"{layer}/upper", f"{layer}/work", f"{layer}/root")]


def crun() -> str:
    """The path of the runtime that a guest is given.  Raises MissingError."""
    path = shutil.which("crun", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        raise MissingError("crun, which runs the bundle in the guest, is not installed", "sudo apt-get install crun")
    return path


def _listening(stack: ExitStack, path: str) -> int:
    listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC))
    listening.bind(path)
    listening.listen(1)
    return listening.fileno()


def _tell(name: str, words: str) -> None:
    if not name:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        try:
            to.sendto(words.encode(), f"\0{name}")
        except OSError:
            pass  # Who asked for it has gone.
