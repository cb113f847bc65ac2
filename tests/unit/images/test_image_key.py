import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import labkit
from labkit.errors import MissingError
from labkit.images import key as keys
from labkit.images.key import folder, key, resolve
from labkit.images.reference import Reference, parse


def test_the_suite_the_packages_and_the_recipe_are_part_of_the_key(monkeypatch):
    plain = key(Reference("debian", "bookworm"))
    others = [
        key(Reference("debian", "trixie")),
        key(Reference("debian", "bookworm", ("fio",))),
        key(Reference("debian", "bookworm", ("fio", "zstd"))),
    ]
    monkeypatch.setattr(keys, "RECIPE", keys.RECIPE + 1)
    others.append(key(Reference("debian", "bookworm")))
    assert len({plain, *others}) == 5


def test_the_architecture_is_part_of_the_key(monkeypatch):
    here = key(Reference("debian", "bookworm"))
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="pdp11"))
    assert key(Reference("debian", "bookworm")) != here


def test_an_upgrade_of_the_hosts_busybox_makes_another_key(tmp_path, monkeypatch):
    program = tmp_path / "busybox"
    program.write_bytes(b"one")
    monkeypatch.setattr(keys, "BUSYBOX", str(program))
    first = key(parse("busybox"))
    assert key(parse("busybox")) == first
    os.utime(program, ns=(1, 1))
    second = key(parse("busybox"))
    program.write_bytes(b"three")
    os.utime(program, ns=(1, 1))
    assert len({first, second, key(parse("busybox"))}) == 3


def test_a_host_without_busybox_is_told_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "BUSYBOX", str(tmp_path / "none"))
    with pytest.raises(MissingError) as raised:
        key(parse("busybox"))
    assert raised.value.hint == "sudo apt-get install busybox-static"


def test_a_key_is_a_file_name_however_many_packages_there_are():
    many = tuple(f"package{number:03}" for number in range(200))
    name = key(Reference("debian", "bookworm", many))
    assert len(name) + len("~partial") <= 255
    assert name != key(Reference("debian", "bookworm", many[:-1]))


def test_debian_without_a_suite_is_the_hosts_own_or_bookworm(monkeypatch):
    monkeypatch.setattr(keys, "host_suite", lambda: "trixie")
    assert str(resolve(parse("debian+fio"))) == "debian:trixie+fio"
    monkeypatch.setattr(keys, "host_suite", lambda: "")
    assert str(resolve(parse("debian+fio"))) == "debian:bookworm+fio"
    assert str(resolve(parse("debian:sid"))) == "debian:sid"


@pytest.mark.parametrize("value", [None, "", "relative/cache"])
def test_without_an_absolute_cache_folder_the_one_in_the_home_is_used(value, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert folder() == "/home/someone/.cache/labkit/images"


def test_finding_a_built_image_imports_nothing_slow(tmp_path, monkeypatch):
    # What the site module loads is not ours: -S leaves it out.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Path(folder(), key(resolve(parse("debian"))), "rootfs").mkdir(parents=True)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules); from labkit.images import image; "
        "import os; os.fspath(image('debian')); print(*sorted(set(sys.modules) - before))"
    )
    root = Path(labkit.__file__).parents[1]
    done = subprocess.run([sys.executable, "-S", "-c", program, root], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "labkit.images.image" in loaded
    assert not loaded & {"re", "json", "pathlib", "dataclasses", "contextlib", "hashlib", "subprocess", "typing"}
