"""Networks of labkit's own, in a network namespace that stands for the host: see standing_host."""

import re
import shutil
import subprocess
import sys
import textwrap

import pytest
from standing_host import HOST, ID, NEEDED, OUTSIDE, SERVE, ask, ask_here, inside, running, state, web

pytestmark = NEEDED
pytest.importorskip("pyroute2", reason="pyroute2 is missing: pip install 'labkit[network]'")


def test_two_on_a_bridge_talk_by_name(host, rootfs, as_found):
    with web(host, rootfs, "--network", "bridge", "--hostname", "server"):
        ended = inside(host, rootfs, f"{ask(f'{ID}-web')}; {ask('server')}; {ask('10.213.0.2')}", "--network", "bridge")
    assert ended.stdout == "hello\n" * 3


def test_names_of_those_who_come_and_go_are_kept_up_to_date(host, rootfs, as_found):
    other = f"grep -q {ID}-b /etc/hosts; do usleep 20000; done"
    show = f"until {other}; echo up; while {other}; exit 7"
    words = ["run", "--rootfs", rootfs, "--id", f"{ID}-a", "--network", "bridge", "--", "sh", "-c", show]
    first = subprocess.Popen([*host.command, *map(str, words)], stdout=subprocess.PIPE, text=True)
    with running(host, rootfs, "b", "--network", "bridge"):
        assert first.stdout.readline() == "up\n"
    assert first.wait(30) == 7
    first.stdout.close()


def test_two_on_different_bridges_do_not_talk(host, rootfs, as_found):
    with web(host, rootfs, "--network", "bridge:one", "--publish", "8080:80"):
        script = f"ip -o -4 address show eth0; {ask('10.213.0.2')}; {ask(HOST, 8080)}; echo over"
        ended = inside(host, rootfs, script, "--network", "bridge:two")
        assert inside(host, rootfs, ask("10.213.0.2"), "--network", "bridge:one").stdout == "hello\n"
    assert "10.213.1.2/24" in ended.stdout
    assert "hello" not in ended.stdout
    assert ended.stdout.endswith("over\n")


def test_a_published_port_is_reached_from_everywhere_else_too(host, rootfs, as_found):
    with web(host, rootfs, "--network", "bridge", "--publish", "8080:80"):
        assert host.run(*ask_here("127.0.0.1", 8080)).stdout == "hello\n"
        assert host.run(*ask_here(HOST, 8080)).stdout == "hello\n"
        assert host.outside(*ask_here(HOST, 8080)).stdout == "hello\n"
        # By the host's address from a neighbour on the bridge.
        assert inside(host, rootfs, ask(HOST, 8080), "--network", "bridge").stdout == "hello\n"


def test_a_port_of_one_address_is_not_published_on_others(host, rootfs, as_found):
    with web(host, rootfs, "--network", "bridge", "--publish", "127.0.0.1:8080:80"):
        assert host.run(*ask_here("127.0.0.1", 8080)).stdout == "hello\n"
        assert "hello" not in host.outside(*ask_here(HOST, 8080)).stdout


def test_what_is_not_published_is_not_reached_from_outside(host, rootfs, as_found):
    with web(host, rootfs, "--network", "bridge"):
        assert host.run(*ask_here("10.213.0.2")).stdout == "hello\n"
        assert "hello" not in host.outside(*ask_here("10.213.0.2")).stdout


def test_udp_is_published(host, rootfs, as_found):
    serve = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 53)); print('up', flush=True)"
    serve += "; data, who = s.recvfrom(99); s.sendto(b'got ' + data, who)"
    send = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(10)"
    send += f"; s.sendto(b'ping', ('{HOST}', 5353)); print(s.recv(99).decode())"
    with running(host, rootfs, "udp", "--network", "bridge", "--publish", "5353:53/udp"):
        pid = re.search(r'"pid": (\d+)', host.run("cat", f"/run/labkit/containers/{ID}-udp/state").stdout)[1]
        # Busybox has no server for it.
        command = ["nsenter", "-t", pid, "-n", sys.executable, "-c", serve]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout.readline() == "up\n"
                assert host.outside(sys.executable, "-c", send).stdout == "got ping\n"
            finally:
                server.kill()


def test_connections_to_the_world_have_the_hosts_address(host, rootfs, as_found):
    listen = f"import socket; s = socket.create_server(('{OUTSIDE}', 7000)); print('up', flush=True)"
    listen += "; print(s.accept()[1][0])"
    command = ["nsenter", "-t", str(host.neighbour), "-n", sys.executable, "-c", listen]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "up\n"
            assert inside(host, rootfs, f"echo | nc -w 2 {OUTSIDE} 7000", "--network", "bridge").returncode == 0
            assert server.stdout.readline() == f"{HOST}\n"
        finally:
            server.kill()


def test_nothing_is_left_when_labkit_was_killed(host, rootfs, as_found):
    with web(host, rootfs, "--network", "bridge", "--publish", "8080:80") as process:
        assert "10.213.0.2:80" in state(host)
        process.kill()
        process.wait()
    assert "table ip labkit" in state(host)
    assert f"{ID}-web" in host.labkit("gc").stdout


def test_a_lease_whose_state_folder_is_gone_is_given_back(host, rootfs, as_found):
    with running(host, rootfs, "lost", "--network", "bridge") as process:
        process.kill()
        process.wait()
    id = f"{ID}-lost"
    # As after a crash in the middle of gc, when the cgroups are gone already.
    host.labkit("gc")
    with running(host, rootfs, "lost", "--network", "bridge") as process:
        process.kill()
        process.wait()
    host.run("rm", "-r", f"/run/labkit/containers/{id}")
    assert id in host.labkit("gc").stdout
    # Nobody knows of its cgroups any more.
    found = ["find", "/sys/fs/cgroup", "-depth", "-name", f"labkit-{id}"]
    subprocess.run([*found, "-exec", "rmdir", "{}", ";"], check=True, capture_output=True)
    assert subprocess.run(found, capture_output=True, text=True, check=True).stdout == ""


def test_the_firewall_stays_while_another_container_is_there(host, rootfs, as_found):
    with running(host, rootfs, "first", "--network", "bridge"):
        assert inside(host, rootfs, "true", "--network", "bridge:more").returncode == 0
        after = state(host)
        assert "labkit0" in after
        assert "lk-more" not in after


def test_a_port_in_use_is_named_with_who_has_it(host, rootfs, as_found):
    listen = "import socket; s = socket.create_server(('', 8088)); print('up', flush=True); input()"
    command = ["nsenter", "-t", str(host.pid), "-n", sys.executable, "-c", listen]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "up\n"
        ended = inside(host, rootfs, "true", "--network", "bridge", "--publish", "8088:80")
        server.communicate("\n")
    message, hint = ended.stderr.splitlines()
    assert ended.returncode == 125
    assert re.search(r"port 8088/tcp is in use by \S+ \(pid \d+\)", message)
    assert hint.startswith("hint: ")


def test_a_port_that_another_container_publishes_is_named_with_it(host, rootfs, as_found):
    with running(host, rootfs, "first", "--network", "bridge", "--publish", "8080:80"):
        ended = inside(host, rootfs, "true", "--network", "bridge:b", "--publish", "127.0.0.1:8080:81")
    assert f"port 8080/tcp is published by the container {ID}-first" in ended.stderr.splitlines()[0]


def test_a_container_joins_anothers_network(host, rootfs, as_found):
    with web(host, rootfs, "--network", "bridge"):
        script = f"{ask('127.0.0.1')}; grep -c {ID}-web /etc/hosts"
        ended = inside(host, rootfs, script, "--network", f"container:{ID}-web")
    assert ended.stdout == "hello\n1\n"


def test_the_hosts_network_is_the_hosts(host, rootfs, as_found):
    ended = inside(host, rootfs, "readlink /proc/self/ns/net; ip -o link show up0", "--network", "host")
    namespace, interface = ended.stdout.splitlines()
    assert namespace == host.run("readlink", "/proc/self/ns/net").stdout.strip()
    assert "up0" in interface


@pytest.mark.skipif(shutil.which("crun") is None, reason="crun is missing: sudo apt-get install crun")
def test_another_runtime_has_the_hosts_network_and_its_names(host, rootfs, as_found):
    ended = inside(host, rootfs, "cat /etc/hosts; ip -o link show up0", "--runtime", "crun", "--network", "host")
    assert ended.stderr == ""
    assert ended.stdout.startswith(host.run("cat", "/etc/hosts").stdout)
    assert "up0" in ended.stdout.splitlines()[-1]


def test_without_a_network_there_is_loopback_alone(host, rootfs, as_found):
    assert inside(host, rootfs, "ip -o link | wc -l", "--network", "none").stdout == "1\n"


def test_with_a_user_namespace_too(host, rootfs, as_found):
    with web(host, rootfs, "--network", "bridge"):
        ended = inside(
            host, rootfs, f"{ask(f'{ID}-web')}; cat /proc/self/uid_map", "--network", "bridge", "--userns", "auto"
        )
    first, second = ended.stdout.splitlines()
    assert first == "hello"
    assert second.split()[0::2] == ["0", "65536"]


def test_an_image_that_cannot_be_written_keeps_what_it_has(host, rootfs, as_found):
    ended = inside(
        host, rootfs, "ls /etc; ping -c 1 -W 2 10.213.0.1 | grep -c ttl", "--network", "bridge", "--read-only"
    )
    assert ended.stdout.split() == ["group", "passwd", "1"]


def test_containers_from_python(host, rootfs, as_found):
    script = f"""
        from labkit import Container
        from labkit.engine.network import address
        options = dict(network="bridge", publish=["8080:80"])
        server = Container({str(rootfs)!r}, ["sh", "-c", {SERVE.format(port=80)!r}], id={ID + "-server"!r}, **options)
        with server.start(log=True):
            next(server.logs(follow=True))
            print(address(server.id))
            for number in range(2):
                client = Container({str(rootfs)!r}, ["sh", "-c", {ask(f"{ID}-server")!r}], network="bridge")
                print(client.run(timeout=30).text.strip())
    """
    ended = host.run(sys.executable, "-c", textwrap.dedent(script))
    assert ended.stderr == ""
    assert ended.stdout.split() == ["10.213.0.2", "hello", "hello"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--network", "wifi"], "no network 'wifi'"),
        (["--network", "bridge:a/b"], "'a/b' is no name of a bridge"),
        (["--network", "bridge:" + "x" * 13], "is no name of a bridge"),
        (["--network", "bridge", "--publish", "80"], "'80' is not understood"),
        (["--network", "bridge", "--publish", "0:80"], "'0:80' is not understood"),
        (["--network", "bridge", "--publish", "1.2.3:80:80"], "is not understood"),
        (["--network", "bridge", "--publish", "192.0.2.77:8080:80"], "no address 192.0.2.77"),
        (["--publish", "8080:80"], "the network none has no ports to publish"),
        (["--network", "host", "--publish", "8080:80"], "the network host has no ports to publish"),
        (["--network", "container:nobody"], "'nobody' does not exist"),
        (["--network", "bridge", "--namespaces", "pid,mount"], "needs a network namespace"),
        (["--network", "bridge", "--runtime", "runc"], "of labkit's own engine"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(host, rootfs, as_found, options, words):
    ended = inside(host, rootfs, "true", *options)
    message, hint = ended.stderr.splitlines()
    assert ended.returncode in (2, 125)
    assert words in message
    assert hint.startswith("hint: ")


def test_an_interface_of_somebody_else_is_left_alone(host, rootfs):
    assert host.run("ip", "link", "add", "labkit0", "type", "bridge").returncode == 0
    try:
        ended = inside(host, rootfs, "true", "--network", "bridge")
        assert "there is an interface labkit0 which is not labkit's" in ended.stderr
        assert host.run("ip", "link", "show", "labkit0").returncode == 0
    finally:
        host.run("ip", "link", "delete", "labkit0")


def test_forwarding_that_was_on_stays_on(host, rootfs):
    host.run("sysctl", "-w", "net.ipv4.ip_forward=1")
    try:
        assert inside(host, rootfs, "true", "--network", "bridge").returncode == 0
        assert host.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout == "1\n"
    finally:
        host.run("sysctl", "-w", "net.ipv4.ip_forward=0")


def test_a_host_without_nft_is_told_what_to_install(host, rootfs, as_found, command):
    hide = 'mount --bind /dev/null "$(readlink -f "$(command -v nft)")" && exec "$@"'
    words = ["run", "--rootfs", str(rootfs), "--network", "bridge", "--", "true"]
    ended = host.run("unshare", "-m", "sh", "-c", hide, "sh", *command, *words)
    assert ended.stderr.splitlines() == [
        "labkit: a container on a bridge needs nft(8)",
        "hint: sudo apt-get install nftables",
    ]


def test_a_python_without_pyroute2_is_told_what_to_install(host, rootfs, as_found):
    without = "import sys; sys.modules['pyroute2'] = None; from labkit.cli import main; sys.exit(main())"
    words = ["run", "--rootfs", str(rootfs), "--network", "bridge", "--publish", "8080:80", "--", "true"]
    ended = host.run(sys.executable, "-c", without, *words)
    assert ended.stderr.splitlines() == [
        "labkit: a container on a bridge needs the Python package pyroute2",
        "hint: pip install 'labkit[network]'",
    ]
