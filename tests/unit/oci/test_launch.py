import os
import shutil
import subprocess
import sys
import sysconfig
from types import SimpleNamespace

import pytest

from labkit.oci import launch
from labkit.oci.image import save

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


MODULE = "labkit.linux.mount"


def python(program, *words):
    """What `program` prints, in an interpreter as the launcher starts it."""
    begin = "import sys; sys.path.insert(0, sys.argv.pop(1)); from labkit.oci import image, launch; "
    command = [sys.executable, "-I", "-S", "-c", begin + program, ROOT, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.fixture
def image(tmp_path):
    """The path of an image of one module and all that it needs."""
    path = str(tmp_path / "verb.image")
    new = "[name for name in sys.modules if name not in before]"
    python(f"before = {{*sys.modules}}; import {MODULE}; image.save(sys.argv[1], {new}, launch.maker())", path)
    return path


def test_what_is_saved_has_the_code_of_the_loaded_modules(image):
    modules = launch.load(image)
    path, is_package, _, _, code = modules[MODULE]
    assert os.path.samefile(path, f"{ROOT}/{MODULE.replace('.', '/')}.py")
    assert code.co_filename == path
    assert not is_package
    assert modules["labkit.linux"][1]
    assert modules["_ctypes"][4] is None


def test_what_is_saved_has_lines_but_nothing_for_readers(image):
    code = launch.load(image)[MODULE][4]
    (mount,) = [one for one in code.co_consts if getattr(one, "co_name", "") == "mount"]
    with open(code.co_filename, encoding="utf-8") as source:
        assert source.readlines()[mount.co_firstlineno - 1].startswith("def mount(")
    assert not str(mount.co_consts[0]).startswith("mount(2)")
    assert "__future__" not in code.co_names
    classes = [one for one in launch.load(image)["labkit.linux.libc"][4].co_consts if hasattr(one, "co_names")]
    assert any("_type_" in one.co_names for one in classes)
    assert not any("__annotations__" in one.co_names for one in classes)


def test_what_every_process_has_before_is_not_saved(image):
    assert not {"labkit", "labkit.oci", "labkit.oci.launch", "encodings", "__main__"} & set(launch.load(image))


@pytest.mark.parametrize(("earlier", "saved"), [("", True), ("import labkit.engine; ", False)])
def test_where_modules_were_loaded_before_nothing_is_saved(tmp_path, earlier, saved):
    """They would be missing in the image, and so in a process that begins with it."""
    shutil.copytree(f"{ROOT}/labkit", tmp_path / "labkit", ignore=shutil.ignore_patterns("__pycache__"))
    program = f"import sys; sys.path.insert(0, sys.argv.pop(1)); {earlier}from labkit.oci.launch import main; main()"
    command = [sys.executable, "-I", "-S", "-c", program, str(tmp_path), "--root", str(tmp_path / "state"), "list"]
    for _ in range(2):
        ended = subprocess.run(command, capture_output=True, text=True)
        assert (ended.returncode, ended.stderr) == (0, "")
    assert bool(list(tmp_path.glob("labkit/oci/__pycache__/*.list.*.image"))) == saved


def test_a_module_comes_after_those_that_it_needs(image):
    order = list(launch.load(image))
    assert order.index("labkit.linux") < order.index("labkit.linux.libc") < order.index(MODULE)


def test_a_process_begins_with_the_image_and_reads_no_source_of_it(image):
    said = python(
        "launch.begin(launch.load(sys.argv[1])); before = set(sys.modules);"
        f"import {MODULE} as module; print(set(sys.modules) - before); print(module.MS_REC == 16384);"
        "print(sys.modules['labkit.linux'].mount is module); print(module.__file__)",
        image,
    )
    assert said[:3] == ["set()", "True", "True"]
    assert os.path.samefile(said[3], f"{ROOT}/{MODULE.replace('.', '/')}.py")


def test_a_module_that_the_image_lacks_is_found_as_ever(image):
    said = python(
        "launch.begin(launch.load(sys.argv[1])); import labkit.linux.lsm as lsm; print(lsm.__spec__.origin)", image
    )
    assert os.path.samefile(said[0], f"{ROOT}/labkit/linux/lsm.py")


def test_an_image_older_than_a_source_is_not_used(image, monkeypatch):
    true_stat = launch.posix.stat

    def changed(path, **how):
        found = true_stat(path, **how)
        later = found.st_mtime_ns + path.endswith("mount.py")
        return SimpleNamespace(st_size=found.st_size, st_mtime_ns=later)

    monkeypatch.setattr(launch.posix, "stat", changed)
    assert launch.load(image) == {}


@pytest.mark.parametrize("content", [b"", b"\0", b"{}", b"i\x01\0\0\0"])
def test_what_is_no_image_is_not_used(tmp_path, content):
    (tmp_path / "x.image").write_bytes(content)
    assert launch.load(str(tmp_path / "x.image")) == {}


def test_an_image_of_another_python_is_not_used(image, monkeypatch):
    monkeypatch.setattr(launch, "MAGIC_NUMBER", b"other")
    assert launch.load(image) == {}


def test_an_image_that_an_older_launcher_made_is_not_used(image, monkeypatch):
    assert launch.load(image)
    monkeypatch.setattr(launch, "maker", lambda: [launch.MAGIC_NUMBER, 1, 2, 3, 4])
    assert launch.load(image) == {}


def test_a_place_that_cannot_be_written_to_is_no_error(tmp_path):
    save(str(tmp_path / "missing/x.image"), ["os"], [])
    assert list(tmp_path.iterdir()) == []


def test_the_launcher_of_the_checkout_and_the_installed_one_start_the_same_program():
    checkout = [sys.executable, "-ISXno_debug_ranges", f"{ROOT}/bin/labkit-oci"]
    installed = [f"{sysconfig.get_path('scripts')}/labkit-oci"]
    answers = [
        subprocess.run([*launcher, "--version"], check=True, capture_output=True, text=True).stdout
        for launcher in (checkout, installed)
    ]
    assert answers[0] == answers[1]
    assert answers[0].startswith("labkit-oci ")


def test_an_installed_launcher_finds_the_package_in_site_packages(tmp_path):
    site = tmp_path / "lib/python3.11/site-packages"
    shutil.copytree(f"{ROOT}/labkit", site / "labkit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(f"{ROOT}/bin", tmp_path / "bin")
    command = [sys.executable, "-ISXno_debug_ranges", str(tmp_path / "bin/labkit-oci"), "--version"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith("labkit-oci ")
    shutil.move(site / "labkit", tmp_path / "elsewhere")
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert "is not installed" in ended.stderr


def test_what_was_saved_by_one_way_to_begin_serves_the_other(tmp_path):
    shutil.copytree(f"{ROOT}/labkit", tmp_path / "labkit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(f"{ROOT}/bin", tmp_path / "bin")
    program = "import sys; sys.path.insert(0, sys.argv.pop(1)); from labkit.oci.launch import main; main()"
    imported = [sys.executable, "-I", "-S", "-c", program, str(tmp_path)]
    launched = [sys.executable, "-ISXno_debug_ranges", str(tmp_path / "bin/labkit-oci")]
    for first, second in ((imported, launched), (launched, imported)):
        for command in (first, second):
            ended = subprocess.run(
                [*command, "--root", str(tmp_path / "state"), "list"], capture_output=True, text=True, check=False
            )
            assert (ended.returncode, ended.stderr) == (0, "")
        (image,) = tmp_path.glob("labkit/oci/__pycache__/*.list.*.image")
        image.unlink()


def test_the_launcher_is_followed_through_links(tmp_path):
    launcher = f"{sysconfig.get_path('scripts')}/labkit-oci"
    (tmp_path / "one").symlink_to(launcher)
    (tmp_path / "two").symlink_to("one")
    said = subprocess.run([tmp_path / "two", "--version"], check=True, capture_output=True, text=True).stdout
    assert said.startswith("labkit-oci ")


@pytest.mark.parametrize("verb", ["create", "delete", "kill", "list", "run", "start", "state"])
def test_no_slow_module_is_loaded(verb):
    program = f"import sys; sys.path.insert(0, sys.argv[1]); import labkit.oci.{verb}; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, ROOT], check=True, capture_output=True, text=True
    ).stdout.split()
    slow = {"json", "re", "subprocess", "typing", "dataclasses", "logging", "argparse", "pathlib", "socket", "signal"}
    assert not (slow | {"collections", "os", "stat"}) & set(said)
