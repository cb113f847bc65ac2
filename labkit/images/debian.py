"""The `debian` image: a minimal Debian made by mmdebstrap(1), with the packages asked for."""

import os
import shutil
import stat
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from labkit.errors import LabkitError, MissingError
from labkit.images.contents import remove_tree
from labkit.images.key import host_suite
from labkit.images.mmdebstrap import Mmdebstrap
from labkit.images.progress import Report
from labkit.images.reference import Reference
from labkit.images.unpack import unpack_command

# What an experiment looks around with: ps, ip and ss.
ALWAYS = ("iproute2", "procps")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
INSTALL = "sudo apt-get install mmdebstrap debian-archive-keyring"


def build(reference: Reference, rootfs: Path, lock: int, report: Report) -> list[str]:
    """Fill an empty folder with Debian; returns "name version" of each package.

    `lock` is the descriptor of the image's lock: whatever the build starts holds it too, so that no other builder
    begins while anything of this one lives. Raises MissingError and LabkitError, the latter with what apt said.
    """
    if not shutil.which("mmdebstrap"):
        raise MissingError(f"image '{reference}' is built by mmdebstrap, which is not installed", INSTALL)
    if not os.path.exists(KEYRING):
        raise MissingError(
            f"image '{reference}': {KEYRING} is missing, which Debian's archive is checked with", INSTALL
        )
    run = Mmdebstrap(reference, lock, report)
    options = ["--verbose", "--variant=minbase", f"--include={','.join((*ALWAYS, *reference.packages))}"]
    options += [f"--aptopt={option}" for option in _host_proxies()]
    sources = _host_sources(reference.suite) if reference.suite == host_suite() else []
    if os.geteuid() == 0:
        _as_root(run, [*options, reference.suite, str(rootfs), *sources], rootfs.parent)
    else:
        _as_user(run, options, reference, rootfs, sources)
    _leave_out_the_host(rootfs)
    return _installed(rootfs)


def _as_root(run: Mmdebstrap, arguments: list[str], partial: Path) -> None:
    # mmdebstrap mounts /proc and /sys in the tree. In namespaces of its own these go with its last process, and each of
    # its processes goes with the first, which goes with us, however we end.
    namespaces = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    die_with_us = ["setpriv", "--pdeathsig=KILL"]
    work = _work_folder(partial)
    try:
        run([*die_with_us, *namespaces, "mmdebstrap", "--mode=root", *arguments], TMPDIR=str(work))
    finally:
        remove_tree(work)


def _as_user(run: Mmdebstrap, options: list[str], reference: Reference, rootfs: Path, sources: list[str]) -> None:
    """Build as an ordinary user: mmdebstrap in a user namespace makes an archive, which we unpack as our own.

    So the files belong to the user, who is root in a rootless container, and not to subordinate ids.
    """
    if not shutil.which("newuidmap") or not _has_subordinate_ids():
        raise MissingError(
            f"image '{reference}': an ordinary user needs newuidmap and ids in /etc/subuid and /etc/subgid to build it",
            "sudo apt-get install uidmap && sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER"
            " (or build it as root)",
        )
    archive = rootfs.parent / "rootfs.tar"
    work = _work_folder(rootfs.parent)
    try:
        # SIGTERM, since mmdebstrap then removes what belongs to subordinate ids.
        die_with_us = ["setpriv", "--pdeathsig=TERM"]
        arguments = ["mmdebstrap", "--mode=unshare", *options, reference.suite, str(archive), *sources]
        run([*die_with_us, *arguments], TMPDIR=str(work))
    finally:
        _empty(work)
    run(["setpriv", "--pdeathsig=KILL", *unpack_command(archive, rootfs)])
    archive.unlink()


def _work_folder(partial: Path) -> Path:
    """A folder for what mmdebstrap makes aside, of one name for all builds of an image, so that remains are found.

    It is not in the cache, since the ids of the user namespace must reach it and homes are often closed to others.
    """
    name = sha256(os.fsencode(partial)).hexdigest()[:16]
    work = Path(tempfile.gettempdir()) / f"labkit-build-{name}"
    try:
        work.mkdir()
    except FileExistsError:
        status = work.lstat()
        if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
            raise LabkitError(f"{work} is in the way and belongs to another user", f"sudo rm -r {work}") from None
        _empty(work)
        work.mkdir()
    work.chmod(0o1777)
    return work


def _empty(work: Path) -> None:
    """Remove the folder and what a killed mmdebstrap left in it, of subordinate ids and of our own."""
    if any(work.iterdir()) and os.geteuid() != 0:
        remove = ["mmdebstrap", "--unshare-helper", "find", str(work), "-xdev", "-mindepth", "1", "-delete"]
        subprocess.run(remove, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    remove_tree(work)


def _has_subordinate_ids() -> bool:
    """Whether subuid(5) and subgid(5) give this user a range, by name or number."""
    import pwd

    try:
        names = (pwd.getpwuid(os.getuid()).pw_name, str(os.getuid()))
        tables = [Path(path).read_text() for path in ("/etc/subuid", "/etc/subgid")]
    except (OSError, KeyError):
        return False
    return all(any(line.split(":")[0] in names for line in table.splitlines()) for table in tables)


def _host_sources(suite: str) -> list[str]:
    """Debian's own among the host's apt sources, as lines of sources.list(5): a mirror set up there serves us too.

    apt-get(8) parses its configuration itself; an origin is known once the host has run `apt-get update`.
    """
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    lines = []
    for words in (line.split() for line in done.stdout.splitlines()):
        if len(words) != 4 or words[1] not in (suite, f"{suite}-updates", f"{suite}-security") or words[2] != "main":
            continue
        debian = words[3] == "Debian" or (words[3] == "$(ORIGIN)" and "debian" in words[0])
        line = f"deb [signed-by={KEYRING}] {words[0]} {words[1]} main"
        if debian and not words[0].startswith("cdrom:") and line not in lines:
            lines.append(line)
    return lines if any(f" {suite} main" in line for line in lines) else []


def _host_proxies() -> list[str]:
    """What the host's apt.conf(5) says of HTTP: proxies above all, which mmdebstrap by itself does not see."""
    command = ["apt-config", "dump", "--format", '%f "%v";%n', "Acquire::http", "Acquire::https"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return [line for line in done.stdout.splitlines() if line.startswith("Acquire::http") and '""' not in line]


def _leave_out_the_host(rootfs: Path) -> None:
    """Take away what tells of this machine and not of the image; mmdebstrap has removed apt's caches and lists."""
    (rootfs / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)
    for name in ("var/lib/apt/lists", "var/cache/apt/archives"):
        # Whether _apt owns `partial` depends on whether the cache lies in a closed home; apt makes both anew.
        (rootfs / name / "lock").unlink(missing_ok=True)
        shutil.rmtree(rootfs / name / "partial", ignore_errors=True)
    for name in ("etc/hostname", "etc/resolv.conf"):
        # First unlinked: where it is a symbolic link, it must not lead out of the tree. Empty files remain, since
        # runtimes mount over them.
        (rootfs / name).unlink(missing_ok=True)
        (rootfs / name).touch(0o644)


def _installed(rootfs: Path) -> list[str]:
    """Each package's name and version, from dpkg's database."""
    packages = []
    for stanza in (rootfs / "var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed"):
            packages.append(f"{fields['Package']} {fields['Version']}")
    return packages
