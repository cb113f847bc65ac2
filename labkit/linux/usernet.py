"""Networks without privilege: a program beside the container makes its connections for it as any user can.

slirp4netns(1) and pasta(1) each put a virtual interface into the container's network namespace and carry what is sent
through it over sockets of the host. Neither lets the container reach what listens on the host's loopback alone.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, socket

from labkit.errors import LabkitError, MissingError
from labkit.linux.descriptors import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from labkit.linux.ports import Port

INSIDE = "eth0"
# slirp4netns(1): what a container has in its network 10.0.2.0/24, and where names are looked up.
SLIRP_ADDRESS, SLIRP_GATEWAY, SLIRP_NAMESERVER = "10.0.2.100", "10.0.2.2", "10.0.2.3"
_PACKAGES = {"slirp4netns": "slirp4netns", "pasta": "passt"}
_TUN = "/dev/net/tun"
# Python ignores them, which a program it starts would inherit, and pasta takes for a failure of its own.
_SIGPIPE, _SIGXFSZ = 13, 25
_SIGKILL = 9
# In milliseconds.
_PATIENCE = 10_000


def find(program: str) -> str:
    """The path of slirp4netns or pasta; raises MissingError where it, or what it needs of the host, is not there."""
    # Either makes an interface of the kind tap (Documentation/networking/tuntap.rst), which asks for no privilege.
    if not os.access(_TUN, os.R_OK | os.W_OK):
        there = os.path.exists(_TUN)
        advice = f"sudo chmod 666 {_TUN}" if there else "sudo modprobe tun"
        raise MissingError(f"{program} needs {_TUN}, which {'you may not open' if there else 'is not there'}", advice)
    for folder in ("/usr/bin", "/bin", "/usr/local/bin"):
        if os.access(f"{folder}/{program}", os.X_OK):
            return f"{folder}/{program}"
    raise MissingError(f"{program} is not installed", f"sudo apt-get install {_PACKAGES[program]}")


def slirp4netns(pid: int, ports: Iterable[Port], folder: str) -> tuple[int, int]:
    """Connect the namespaces of process `pid` by a slirp4netns of their own; returns its pid, and a descriptor.

    It ends when the descriptor is closed, also by the death of who has it. `folder` is for the socket by which it is
    told of ports, for a moment.
    """
    program = find("slirp4netns")
    ready, says_ready = os.pipe2(os.O_CLOEXEC)
    sees_end, end = os.pipe2(os.O_CLOEXEC)
    api = f"{folder}/slirp"
    options = ("--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp")
    numbers = (f"--ready-fd={says_ready}", f"--exit-fd={sees_end}", f"--api-socket={api}")
    output = os.memfd_create("output", os.MFD_CLOEXEC)
    started = 0
    try:
        arguments = ("slirp4netns", *options, *numbers, str(pid), INSIDE)
        started = _spawn(program, arguments, output, (says_ready, sees_end))
        os.close(says_ready)
        says_ready = -1
        if not (readable(ready, _PATIENCE) and os.read(ready, 1)):
            raise _failed("slirp4netns", output)
        for port in ports:
            _forward(api, port)
        return started, end
    except BaseException:
        os.close(end)
        if started:
            os.kill(started, _SIGKILL)
            os.waitpid(started, 0)
        raise
    finally:
        for descriptor in (ready, says_ready, sees_end, output):
            if descriptor >= 0:
                os.close(descriptor)
        if os.path.exists(api):
            os.unlink(api)


def _forward(api: str, port: Port) -> None:
    """Have slirp4netns carry one port inside: slirp4netns(1), API socket."""
    host, outer, inner, protocol = port
    request = (
        f'{{"execute": "add_hostfwd", "arguments": {{"proto": "{protocol}", "host_addr": "{host or "0.0.0.0"}", '
        f'"host_port": {outer}, "guest_port": {inner}}}}}'
    )
    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        connection.connect(api)
        connection.send(request.encode())
        connection.shutdown(1)
        answer = connection.recv(4096).decode(errors="replace")
    finally:
        connection.close()
    if '"error"' in answer:
        raise LabkitError(f"port {outer}/{protocol} cannot be published by slirp4netns: {answer.strip()}", "try pasta")


def pasta(pid: int, ports: Iterable[Port], folder: str) -> int:
    """Connect the namespaces of process `pid` by a pasta of their own; returns its pid. It ends when it is killed."""
    program = find("pasta")
    note = f"{folder}/pasta"
    published = []
    for option, kind in (("-t", "tcp"), ("-u", "udp")):
        texts = [f"{host + '/' if host else ''}{outer}:{inner}" for host, outer, inner, proto in ports if proto == kind]
        published += [word for text in texts or ["none"] for word in (option, text)]
    # The same network as slirp4netns makes: with the host's own address, the default, the host could not be reached.
    network = ("--ipv4-only", "-a", SLIRP_ADDRESS, "-n", "24", "-g", SLIRP_GATEWAY)
    # No ports of the host's loopback, nor the gateway's address as a way to it.
    closed = ("-T", "none", "-U", "none", "--no-map-gw")
    options = ("--quiet", "--config-net", "-I", INSIDE, "-P", note, *network, *published, *closed)
    arguments = ("pasta", *options, str(pid))
    output = os.memfd_create("output", os.MFD_CLOEXEC)
    try:
        # It goes to the background when the network is there.
        status = os.waitstatus_to_exitcode(os.waitpid(_spawn(program, arguments, output, ()), 0)[1])
        if status:
            raise _failed("pasta", output)
        with open(note, encoding="ascii") as file:
            return int(file.read())
    finally:
        os.close(output)
        if os.path.exists(note):
            os.unlink(note)


def _spawn(program: str, arguments: tuple[str, ...], output: int, passed: tuple[int, ...]) -> int:
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        actions = [
            (os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate((null, output, output))
        ]
        # Onto itself: it is no longer close-on-exec then (posix_spawn_file_actions_adddup2(3)).
        actions += [(os.POSIX_SPAWN_DUP2, number, number) for number in passed]
        # In a session of its own, so that a Ctrl-C for the container does not end its network first.
        return os.posix_spawn(
            *(program, arguments, os.environ),
            file_actions=actions,
            setsigmask=(),
            setsigdef=(_SIGPIPE, _SIGXFSZ),
            setsid=True,
        )
    finally:
        os.close(null)


def _failed(program: str, output: int) -> LabkitError:
    lines = os.pread(output, 4096, 0).decode(errors="replace").strip().splitlines()
    said = [line for line in lines if "WARNING" not in line and "syslog" not in line and not line.startswith("child")]
    reason = said[-1] if said else "it does not say why"
    return LabkitError(f"{program} cannot connect the container: {reason}", "try another --network")
