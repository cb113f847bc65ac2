"""One run of everything, as a user would type it, with as little measuring as goes through every path."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.bench import store
from labkit.nb import places

pytestmark = pytest.mark.root

PROGRAM = "import sys; from labkit.cli import main; sys.exit(main())"
NEEDED = ("host", "labkit", "runc")


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """The folders of the run and of the site, and what the command printed."""
    folder = tmp_path_factory.mktemp("reproduce")
    command = ["reproduce", "--profile", "tiny", "--run", f"{folder}/run", "--output", f"{folder}/site"]
    # A home of its own shows that nothing is read from or written to the user's Jupyter folders.
    home = folder / "home"
    home.mkdir()
    done = labkit(*command, env=os.environ | {"HOME": str(home)})
    return folder, done


def labkit(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        **options,
    )


def executed(folder: Path, name: str) -> str:
    """All that the cells of an executed notebook showed."""
    cells = json.loads((folder / "run/notebooks" / f"{name}.ipynb").read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    texts = [output.get("text", "") for output in outputs]
    texts += [text for output in outputs for kind, text in output.get("data", {}).items() if "svg" not in kind]
    return "\n".join("".join(text) for text in texts)


def test_it_succeeds_and_its_last_line_is_the_path_of_the_first_page(reproduced):
    folder, done = reproduced
    assert (done.returncode, done.stdout) == (0, f"{folder}/site/index.html\n"), done.stderr
    assert Path(done.stdout.strip()).is_file()


def test_no_warning_of_a_library_reaches_the_user(reproduced):
    _, done = reproduced
    known = re.compile(r"(labkit|start-up|notebooks|site|image .*|busybox.*): ")
    assert [line for line in done.stderr.splitlines() if not known.match(line)] == []


def test_what_was_measured_is_stored(reproduced):
    folder, _ = reproduced
    observations = store.Run(folder / "run").observations()
    good = observations[observations["status"] == "ok"]
    assert set(NEEDED) <= set(good["runtime"])
    assert set(good["condition"]) == {"warm", "cold"}
    assert (good["value"] > 0).all()


def test_the_lab_check_names_every_runtime_and_the_host(reproduced):
    folder, _ = reproduced
    shown = executed(folder, "00-lab-check")
    for name in ("host", "labkit", "runc", "crun", "runsc-systrap", "runsc-ptrace", "runsc-kvm"):
        assert f"<td>{name}</td>" in shown
    assert os.uname().release in shown


def test_each_namespace_differs_inside_and_outside(reproduced):
    folder, _ = reproduced
    shown = html.unescape(executed(folder, "10-namespaces"))
    for entry in ("uts", "pid", "mnt", "net", "ipc", "user", "cgroup", "time"):
        found = re.findall(rf"<small>({entry}:\[\d+\])</small>", shown)
        # Outside and sharing are the same namespace, its own is another; mount is never shared.
        assert len(found) == (2 if entry == "mnt" else 3), entry
        assert found[0] != found[-1], entry
        assert found[0] == found[-2], entry
    assert "I am process 1 on labkit" in shown
    assert "cannot be shown" not in shown


def test_containers_in_a_row_leave_nothing(reproduced):
    folder, _ = reproduced
    assert "Nothing was left behind." in executed(folder, "10-namespaces")


def test_the_start_up_chapter_has_its_tables_and_sentences(reproduced):
    folder, _ = reproduced
    shown = executed(folder, "20-startup")
    assert "÷ runc (95 % interval)" in shown
    assert "Time to the first instruction (warm), as a ratio to runc:" in shown
    assert "A cold start costs" in shown
    assert "The True Cost of Containing" in shown
    assert "<progress" not in shown


def test_the_site_loads_nothing_from_a_network(reproduced):
    folder, _ = reproduced
    pages = list((folder / "site").rglob("*.html"))
    assert len(pages) >= 7
    loads = re.compile(r"<(?:script|img|iframe|source)[^>]*\bsrc=\"(?:https?:)?//|<link[^>]*\bhref=\"(?:https?:)?//")
    assert [page.name for page in pages if loads.search(page.read_text())] == []
    imports = re.compile(r"@import[^;]*https?:|url\(['\"]?(?:https?:)?//")
    assert [sheet.name for sheet in (folder / "site").rglob("*.css") if imports.search(sheet.read_text())] == []


def test_the_front_page_has_the_figure_the_host_and_the_data(reproduced):
    folder, _ = reproduced
    page = (folder / "site/index.html").read_text()
    assert "startup.svg" in page
    assert os.uname().release in page
    for name in ("observations.parquet", "observations.csv", "ratios.csv"):
        assert list((folder / "site/_downloads").rglob(name)), name
        assert name in page


def test_no_path_of_this_machine_is_published_in_a_parameters_cell(reproduced):
    folder, _ = reproduced
    assert str(folder) not in (folder / "site/chapters/20-startup.html").read_text()


def test_nothing_is_left_in_the_repository_or_the_home(reproduced):
    folder, _ = reproduced
    assert sorted(path.name for path in folder.iterdir()) == ["home", "run", "site"]
    assert {path.name for path in (folder / "home").iterdir()} <= {".cache", ".config"}
    assert not (folder / "home/.config/jupyter").exists()
    assert not list((places.repository() / "notebooks").glob(".*partial*"))


def test_a_second_time_nothing_is_measured_again(reproduced):
    folder, _ = reproduced
    trials = {path: path.stat().st_mtime_ns for path in (folder / "run/trials").glob("*warm*.parquet")}
    done = labkit(
        "reproduce", "--profile", "tiny", "--run", f"{folder}/run", "--output", f"{folder}/site", "--only", "20"
    )
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in (folder / "run/trials").glob("*warm*.parquet")} == trials


def test_the_site_can_be_made_again_from_what_is_stored(reproduced):
    folder, _ = reproduced
    done = labkit("site", "--run", f"{folder}/run", "--output", f"{folder}/site")
    assert (done.returncode, done.stdout) == (0, f"{folder}/site/index.html\n"), done.stderr
