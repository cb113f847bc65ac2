"""An ordinary user runs a networked container: no privilege, but slirp4netns or pasta beside it."""

import os
import re
import shutil
import socket
import subprocess
import threading

import pytest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not os.path.exists("/dev/net/tun"), reason="this host has no /dev/net/tun: sudo modprobe tun"),
]


@pytest.fixture(params=["slirp", "pasta"])
def network(request):
    program = {"slirp": "slirp4netns", "pasta": "pasta"}[request.param]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is missing: sudo apt-get install slirp4netns passt")
    return request.param


def own_address():
    """An address of this host by which others reach it."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: it is only asked which way it would go (RFC 5737, TEST-NET-3).
            probe.connect(("203.0.113.1", 9))
        except OSError:
            pytest.skip("this host has no route to the outside, and so no address but loopback")
        return probe.getsockname()[0]


@pytest.fixture
def serve():
    """A function that serves one line at an address of this host; it returns the port."""
    servers = []

    def answer(server):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"hello from the host\n")

    def begin(address):
        server = socket.create_server((address, 0))
        servers.append(server)
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        return server.getsockname()[1]

    yield begin
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def helpers(user):
    """The programs that carry connections for this user's containers."""
    # By its arguments: pasta executes itself anew under another name where the processor has AVX2.
    shown = subprocess.run(["ps", "-ww", "-o", "args=", "-u", str(user.uid)], capture_output=True, text=True).stdout
    return re.findall(f"^(?:slirp4netns|pasta) .*{user.home}/run", shown, re.MULTILINE)


@pytest.fixture
def web(user, own_rootfs, network):
    """A running container of the user's that serves a page at a port of the host, as (process, port)."""
    port = free_port()
    script = "mkdir /www && echo hello > /www/index.html && httpd -p 80 -h /www && echo up && exec sleep 1000"
    options = ("--network", network, "--publish", f"127.0.0.1:{port}:80")
    words = user.command("run", "--rootfs", own_rootfs, *options, "--", "sh", "-c", script)
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **user.options())
    try:
        assert process.stdout.readline() == "up\n"
        yield process, port
    finally:
        process.terminate()
        process.communicate(timeout=30)
        user.labkit("gc")


@pytest.mark.parametrize("userns", [(), ("--userns", "auto")])
def test_it_reaches_a_server_on_the_host(user, own_rootfs, network, serve, userns):
    if userns and shutil.which("newuidmap") is None:
        pytest.skip("newuidmap is missing: sudo apt-get install uidmap")
    address = own_address()
    # It hangs up itself: pasta of Debian 12 loses the other side's end now and then.
    read = "read line && echo $line > /tmp/said"
    script = f"nc -w 10 {address} {serve(address)} -e sh -c '{read}'; cat /tmp/said; id -u; ip -o -4 address show eth0"
    ended = user.labkit("run", "--rootfs", own_rootfs, "--network", network, *userns, "--", "sh", "-c", script)
    assert ended.stderr == ""
    said, uid, shown = ended.stdout.splitlines()
    assert (said, uid) == ("hello from the host", "0")
    assert "10.0.2.100/24" in shown
    assert helpers(user) == []
    assert os.listdir(f"{user.home}/run/labkit/containers") == []


def test_it_does_not_reach_what_listens_on_the_hosts_loopback(user, own_rootfs, network, serve):
    port = serve("127.0.0.1")
    # What either program would map to 127.0.0.1 unless it is told not to.
    script = f"for where in 10.0.2.2 127.0.0.1; do nc -w 2 $where {port} < /dev/null; done; echo over"
    ended = user.labkit("run", "--rootfs", own_rootfs, "--network", network, "--", "sh", "-c", script)
    assert ended.stdout == "over\n"


def test_a_published_port_leads_inside(web):
    _, port = web
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert connection.makefile().read().endswith("hello\n")


def test_a_container_joins_anothers_network(user, own_rootfs, web):
    id = os.listdir(f"{user.home}/run/labkit/containers")[0]
    script = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 127.0.0.1 80 | tail -n 1; id -u; cat /etc/hosts | head -n 1"
    ended = user.labkit("run", "--rootfs", own_rootfs, "--network", f"container:{id}", "--", "sh", "-c", script)
    assert ended.stderr == ""
    assert ended.stdout == "hello\n0\n127.0.0.1 localhost\n"


def test_names_are_looked_up(user, own_rootfs, network):
    script = "cat /etc/hosts /etc/resolv.conf"
    ended = user.labkit("run", "--rootfs", own_rootfs, "--network", network, "--", "sh", "-c", script)
    assert "127.0.0.1 localhost" in ended.stdout
    if network == "slirp":
        assert "nameserver 10.0.2.3" in ended.stdout


def test_nothing_is_left_when_labkit_was_killed(user, web):
    process, _ = web
    assert len(helpers(user)) == 1
    process.kill()
    process.wait()
    assert len(user.labkit("gc").stdout.split()) == 1
    assert os.listdir(f"{user.home}/run/labkit/containers") == []
    assert os.listdir(f"{user.home}/run/labkit/network") == ["lock"]


def test_a_port_in_use_is_named(user, own_rootfs, network, serve):
    port = serve("127.0.0.1")
    options = ("--network", network, "--publish", f"127.0.0.1:{port}:80")
    ended = user.labkit("run", "--rootfs", own_rootfs, *options, "--", "true")
    message, hint = ended.stderr.splitlines()
    assert f"port 127.0.0.1:{port}/tcp is in use" in message
    assert hint.startswith("hint: ")
    assert helpers(user) == []


def test_a_bridge_takes_root(user, own_rootfs):
    ended = user.labkit("run", "--rootfs", own_rootfs, "--network", "bridge", "--", "true")
    assert ended.stderr.splitlines() == [
        "labkit: a bridge takes root",
        "hint: an ordinary user has --network slirp or pasta",
    ]


def test_a_host_without_the_program_is_told_what_to_install(user, own_rootfs, network):
    program = os.path.realpath(shutil.which({"slirp": "slirp4netns", "pasta": "pasta"}[network]))
    words = user.command("run", "--rootfs", own_rootfs, "--network", network, "--", "true")
    message, hint = user.run(words, over=[("/dev/null", program)]).stderr.splitlines()
    assert "is not installed" in message
    assert "apt-get install" in hint


def test_one_who_may_not_open_the_tun_device_is_told_so(user, own_rootfs, network):
    closed = f"{user.home}/closed"
    if not os.path.exists(closed):
        os.mknod(closed, 0o020600, os.makedev(10, 200))
    words = user.command("run", "--rootfs", own_rootfs, "--network", network, "--", "true")
    message, hint = user.run(words, over=[(closed, "/dev/net/tun")]).stderr.splitlines()
    assert "needs /dev/net/tun, which you may not open" in message
    assert hint == "hint: sudo chmod 666 /dev/net/tun"
