"""Images that others have made, with the real skopeo and umoci, from a real registry on the loopback interface."""

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from hashlib import sha256
from pathlib import Path

import pytest

from labkit.images import image
from labkit.images.config import architecture

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        not (shutil.which("skopeo") and shutil.which("umoci")),
        reason="skopeo or umoci is not installed: sudo apt-get install skopeo umoci",
    ),
]

CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {place}}}}}
http: {{addr: '127.0.0.1:{port}'}}
"""
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def call(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def layout(busybox_rootfs, tmp_path_factory):
    """An image in the OCI layout, made of busybox by umoci, as it is given to skopeo: oci:PATH:TAG."""
    path = str(tmp_path_factory.mktemp("layout") / "image")
    call("umoci", "init", "--layout", path)
    call("umoci", "new", "--image", f"{path}:t")
    call("umoci", "insert", "--image", f"{path}:t", str(busybox_rootfs), "/")
    words = ["--config.entrypoint=/bin/echo", "--config.cmd=hello", "--config.cmd=there", "--config.env=GREETING=hi"]
    call("umoci", "config", "--image", f"{path}:t", *words, "--config.workingdir=/tmp", "--config.user=ann")
    call("umoci", "config", "--image", f"{path}:t", "--tag", "other", "--architecture=s390x")
    return f"oci:{path}:t"


@pytest.fixture(scope="module")
def registry(layout, tmp_path_factory):
    """HOST:PORT of a registry that has the image as study/busybox:t; registry's files are in the folder `storage`."""
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed: sudo apt-get install docker-registry")
    place = tmp_path_factory.mktemp("registry")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (place / "config.yml").write_text(CONFIG.format(place=place / "storage", port=port))
    with open(place / "log", "w") as log:
        daemon = subprocess.Popen(["docker-registry", "serve", place / "config.yml"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            assert daemon.poll() is None, (place / "log").read_text()
            assert time.monotonic() < deadline, "the registry does not answer"
            time.sleep(0.05)
        for tag in ("t", "other"):
            source, target = f"{layout.removesuffix(':t')}:{tag}", f"docker://127.0.0.1:{port}/study/busybox:{tag}"
            call("skopeo", "copy", "--dest-tls-verify=false", source, target)
        yield f"127.0.0.1:{port}"
    finally:
        daemon.terminate()
        daemon.wait(timeout=30)


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture
def cache(tmp_path, monkeypatch):
    place = tmp_path / "cache"
    place.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(place))
    return place


def left(cache):
    """What is in the cache but locks."""
    return [path.name for path in cache.glob("labkit/*/*") if not path.name.endswith(("~lock", ".bpf"))]


def failure(done):
    """The one line that tells why, checked to be one, and to have a hint."""
    assert done.returncode == 125, (done.stdout, done.stderr)
    *_, line, hint = done.stderr.splitlines()
    assert (line[:8], hint[:6]) == ("labkit: ", "hint: "), done.stderr
    assert "Traceback" not in done.stderr
    return line


@pytest.mark.parametrize("runtime", ["labkit", "runc"])
def test_a_registrys_image_runs_as_its_maker_says_where_nothing_else_is_given(cache, registry, labkit, runtime):
    if not shutil.which(runtime) and runtime != "labkit":
        pytest.skip(f"{runtime} is not installed")
    where = ("run", "--runtime", runtime, "--image", f"docker://{registry}/study/busybox:t")
    done = labkit(*where)
    assert (done.returncode, done.stdout) == (0, "hello there\n"), done.stderr
    look = ("sh", "-c", "echo $(id -un) $PWD $GREETING")
    assert labkit(*where, "--", *look).stdout == "ann /tmp hi\n"
    own = ("--user", "root", "--cwd", "/", "--env", "GREETING=own")
    assert labkit(*where, *own, "--", *look).stdout == "root / own\n"


def test_containers_from_python_take_the_images_command_too(cache, layout):
    from labkit import Container

    with Container(image(layout, shown=False)) as container:
        assert container.run().stdout == b"hello there\n"


def test_programs_of_strangers_are_out_of_other_users_reach_but_not_out_of_a_user_namespaces(cache, layout, labkit):
    found = image(layout, shown=False)
    assert found.rootfs.parent.stat().st_mode & 0o777 == 0o700
    kinds = "user,pid,mount,network,ipc,uts"
    for user in ("root", "1000"):
        done = labkit("run", "--namespaces", kinds, "--image", layout, "--user", user, "--", "id", "-u")
        assert done.stdout == ("0\n" if user == "root" else "1000\n"), done.stderr


def manifest(registry, tag):
    """What the registry serves for a tag: the manifest, and the digest it says this has."""
    url = f"http://{registry}/v2/study/busybox/manifests/{tag}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": MANIFEST})) as answer:
        return answer.read(), answer.headers["Docker-Content-Digest"]


def test_the_manifests_digest_is_the_registrys_and_names_the_image_for_ever(cache, registry, labkit):
    _, digest = manifest(registry, "t")
    found = image(f"{registry}/study/busybox:t", shown=False)
    assert found.manifest == digest
    assert image(f"docker://{registry}/study/busybox@{digest}", shown=False).key == found.key
    assert digest[:19] in labkit("image", "list").stdout


def test_of_a_list_of_machines_the_hosts_own_is_taken(cache, registry):
    described = []
    for tag, machine in (("other", "s390x"), ("t", architecture(os.uname().machine))):
        text, digest = manifest(registry, tag)
        platform = {"os": "linux", "architecture": machine}
        described.append({"mediaType": MANIFEST, "digest": digest, "size": len(text), "platform": platform})
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": described}).encode()
    url = f"http://{registry}/v2/study/busybox/manifests/list"
    urllib.request.urlopen(urllib.request.Request(url, index, {"Content-Type": INDEX}, method="PUT")).close()
    found = image(f"{registry}/study/busybox:list", shown=False)
    assert found.manifest == f"sha256:{sha256(index).hexdigest()}"
    assert found.digest == image(f"{registry}/study/busybox:t", shown=False).digest


def test_an_image_of_another_machine_is_refused(cache, registry, labkit):
    told = failure(labkit("image", "build", f"docker://{registry}/study/busybox:other"))
    assert "is made for linux/s390x, this host is linux/" in told
    assert left(cache) == []


def test_the_same_content_from_every_place(cache, registry, layout, tmp_path):
    call("skopeo", "copy", layout, f"docker-archive:{tmp_path}/docker.tar:a/b:t")
    call("skopeo", "copy", layout, f"oci-archive:{tmp_path}/oci.tar:t")
    names = [layout, f"docker-archive:{tmp_path}/docker.tar", f"oci-archive:{tmp_path}/oci.tar:t"]
    images = [image(name, shown=False) for name in (*names, f"{registry}/study/busybox:t")]
    assert len({each.digest for each in images}) == 1
    assert all(each.defaults() == images[0].defaults() for each in images)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("study/busybox:none", "manifest unknown"),
        ("study/none:t", "manifest unknown"),
        (f"study/busybox@sha256:{'0' * 64}", "manifest unknown"),
        ("study/Busybox:t", "must be lowercase"),
    ],
)
def test_what_the_registry_does_not_have_is_said_in_one_line(cache, registry, labkit, name, told):
    assert told in failure(labkit("image", "build", f"docker://{registry}/{name}"))
    assert left(cache) == []


def test_a_registry_that_is_not_there_is_said_in_one_line(cache, labkit):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "connection refused" in failure(labkit("run", "--image", f"localhost:{port}/a:t", "--", "true"))
    assert left(cache) == []


def test_a_damaged_layer_is_refused_and_leaves_nothing(cache, layout, tmp_path, labkit):
    shutil.copytree(layout.split(":")[1], tmp_path / "damaged")
    blobs = sorted((tmp_path / "damaged/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    with blobs[-1].open("r+b") as layer:
        layer.seek(-9, os.SEEK_END)
        layer.write(b"x")
    failure(labkit("image", "build", f"oci:{tmp_path}/damaged:t"))
    assert left(cache) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_is_killed_while_a_registry_is_silent_leaves_no_process_and_nothing_in_the_cache(cache, command, number):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        name = f"127.0.0.1:{server.getsockname()[1]}/a:t"
        with subprocess.Popen([*command, "image", "build", name], stderr=subprocess.PIPE, text=True) as asking:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(60)
                assert connection.recv(4)
                asking.send_signal(number)
                assert asking.wait(60) == (130 if number == signal.SIGINT else -number)
                # Its end closes the connection.
                with contextlib.suppress(ConnectionResetError):
                    while connection.recv(4096):
                        pass
    assert left(cache) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(cache, layout, labkit):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", cache], check=True)
    try:
        assert "no space left on the disk" in failure(labkit("image", "build", layout))
        assert left(cache) == []
    finally:
        subprocess.run(["umount", cache], check=True)


def hostile(place, entries):
    """A layout whose one layer has these tar entries, made by hand since no tool would make it."""
    blobs = place / "blobs/sha256"
    blobs.mkdir(parents=True)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as layer:
        for entry, content in entries:
            entry.size = len(content)
            layer.addfile(entry, io.BytesIO(content))

    def blob(kind, content):
        digest = sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    layer = blob(LAYER, file.getvalue())
    machine = architecture(os.uname().machine)
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = {"architecture": machine, "os": "linux", "config": {}, "rootfs": rootfs}
    described = blob("application/vnd.oci.image.config.v1+json", json.dumps(config).encode())
    manifest = blob(MANIFEST, json.dumps({"schemaVersion": 2, "config": described, "layers": [layer]}).encode())
    named = manifest | {"annotations": {"org.opencontainers.image.ref.name": "t"}}
    (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{place}:t"


def entry(name, kind=tarfile.REGTYPE, link="", mode=0o644):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


@pytest.mark.parametrize(
    "attack",
    [
        "a name that leads out",
        "a link that is followed",
        "a hard link to outside",
        "the root itself a link",
        "whiteout",
    ],
)
def test_nothing_outside_is_touched_by_a_hostile_layer(cache, tmp_path, labkit, attack):
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    (victim / "file").write_text("as it was")
    up = "../" * 20
    there = [(entry("file"), b"in the image")]
    entries = {
        "a name that leads out": [(entry(f"{up}{victim}/new"), b"x"), (entry(f"{victim}/file"), b"x")],
        "a link that is followed": [(entry("out", tarfile.SYMTYPE, str(victim)), b""), (entry("out/file"), b"x")],
        "a hard link to outside": [(entry("hard", tarfile.LNKTYPE, f"{up}{victim}/file"), b""), (entry("hard"), b"x")],
        "the root itself a link": [(entry(".", tarfile.SYMTYPE, str(victim), 0o777), b""), (entry("new"), b"x")],
        "whiteout": [(entry(f"{up}{victim}/.wh.file"), b""), (entry("out", tarfile.SYMTYPE, str(victim)), b"")],
    }[attack]
    before = victim.stat()
    done = labkit("image", "build", hostile(tmp_path / "layout", there + entries))
    assert (victim / "file").read_text() == "as it was"
    assert os.listdir(victim) == ["file"]
    assert (victim.stat().st_mode, victim.stat().st_uid) == (before.st_mode, before.st_uid)
    # Either it is refused, and nothing is left, or its paths are held to be paths inside.
    if done.returncode:
        failure(done)
        assert left(cache) == []
    else:
        (root,) = cache.glob("labkit/images/oci-*/rootfs")
        assert root.is_dir()
        assert not root.is_symlink()
        assert (root / "file").read_text() == "in the image"


def test_an_ordinary_user_fetches_and_removes_an_image_whose_files_are_closed(tmp_path):
    """Forked, since the user may not be able to read where labkit is installed."""
    import labkit.cli.image
    import labkit.images.archive
    import labkit.images.fetch

    folders = entry("closed", tarfile.DIRTYPE, mode=0o555), entry("shut", tarfile.DIRTYPE, mode=0)
    files = entry("closed/secret", mode=0), entry("owned", mode=0o600)
    files[1].uid = 1234
    with tempfile.TemporaryDirectory() as folder:
        name = hostile(
            Path(folder, "layout"), [(folders[0], b""), (files[0], b"s"), (folders[1], b""), (files[1], b"o")]
        )
        Path(folder).chmod(0o755)
        Path(folder, "home").mkdir()
        os.chown(f"{folder}/home", 65534, 65534)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
                os.environ |= {"XDG_CACHE_HOME": f"{folder}/home", "HOME": f"{folder}/home", "TMPDIR": f"{folder}/home"}
                os.environ.pop("XDG_RUNTIME_DIR", None)
                found = image(name, shown=False)
                assert (found.rootfs / "owned").read_text() == "o"
                assert (found.rootfs / "closed/secret").read_text() == "s"
                assert {path.lstat().st_uid for path in found.rootfs.rglob("*")} == {65534}
                labkit.images.archive.export(found, Path(folder, "home/a.tar"))
                assert labkit.cli.image.main(["rm", name]) == 0
                assert not found.rootfs.exists()
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
