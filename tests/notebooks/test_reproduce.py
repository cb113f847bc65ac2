"""One run of everything, as a user would type it, with as little measuring as goes through every path."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.bench import engine, store
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
        timeout=900,
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
    known = re.compile(r"(labkit|start-up|engine|isolation|ablation|notebooks|site|image .*|busybox.*): ")
    assert [line for line in done.stderr.splitlines() if not known.match(line)] == []


def test_what_was_measured_is_stored(reproduced):
    folder, _ = reproduced
    observations = store.Run(folder / "run").observations("startup")
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


def test_the_chapter_on_the_filesystem_shows_every_mechanism(reproduced):
    folder, _ = reproduced
    shown = html.unescape(executed(folder, "15-filesystem"))
    assert "A mount made outside arrives inside with rslave and rshared" in shown
    assert "one made inside gets out with rshared." in shown
    assert "a whiteout" in shown
    assert "covered, none of them" in shown
    assert "In the image there is no greeting." in shown
    assert "Cannot be shown" not in shown


def test_the_chapter_that_builds_a_container_shows_its_steps_and_each_mechanism_left_out(reproduced):
    folder, _ = reproduced
    shown = html.unescape(executed(folder, "17-build-a-container"))
    for step in ("MakeStateFolder", "Clone", "PivotRoot", "LoadSeccomp", "Execute"):
        assert f'<th scope="row">{step}</th>' in shown
    for mechanism in ("pid namespace", "masked paths", "capabilities dropped", "system-call filter"):
        assert f"<td>{mechanism}</td>" in shown
    assert "Without system-call filter and capabilities dropped" in shown
    assert "Cannot be shown" not in shown


def test_the_chapter_on_runtimes_shows_the_parts_of_each(reproduced):
    folder, _ = reproduced
    shown = html.unescape(executed(folder, "18-runtimes"))
    assert "The same sleep takes" in shown
    assert "clock_nanosleep" in shown
    assert "└ sleep" in shown
    assert "podman's storage and locks" in shown


def test_the_chapter_on_filters_shows_each_at_work(reproduced):
    folder, _ = reproduced
    shown = html.unescape(executed(folder, "12-seccomp"))
    assert re.search(r"KILL_PROCESS +exit status 159", shown)
    assert "; nr == kill" in shown
    assert "mkdir: can't create directory '/made': Operation not permitted" in shown
    assert "Where the filter looks at an argument, an instruction on the way costs" in shown
    assert "cannot be shown" not in shown


def test_the_chapter_on_capabilities_shows_each_alone_and_the_rules_of_execve(reproduced):
    folder, _ = reproduced
    shown = html.unescape(executed(folder, "13-capabilities"))
    counted = re.search(r"(\d+) of (\d+) attempts are refused without any capability and let through with", shown)
    assert int(counted[1]) >= 20
    assert "In 8 of 8 cases the sets after execve are those" in shown


def test_each_limit_is_seen_to_bite(reproduced):
    folder, _ = reproduced
    shown = executed(folder, "11-cgroups")
    assert "Cannot be shown here" not in shown
    assert "killed: out of memory, limit 32 MiB, peak 32 MiB" in shown
    assert "At most 64 of 64 processes were there at once" in shown
    for sentence in ("quotas, the one of", "of the CPU, the first container got", "The kernel counted"):
        assert sentence in shown, sentence
    assert re.search(r"<td>memory.limit_in_bytes = 67108864</td>\s*<td>memory.max = 67108864</td>", shown)


def test_a_watched_container_leaves_a_figure_and_no_widget(reproduced):
    folder, _ = reproduced
    cells = json.loads((folder / "run/notebooks/11-cgroups.ipynb").read_text())["cells"]
    kinds = [list(output["data"]) for output in cells[-1]["outputs"]]
    assert [kind[0] for kind in kinds] == ["image/svg+xml", "text/markdown"]
    assert "It has ended with status 0." in executed(folder, "11-cgroups")
    assert "widget" not in (folder / "site/chapters/11-cgroups.html").read_text()


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


def test_every_figure_has_words_for_who_cannot_see_it(reproduced):
    folder, _ = reproduced
    images = [
        image for page in (folder / "site").rglob("*.html") for image in re.findall("<img[^>]*>", page.read_text())
    ]
    assert len(images) >= 10
    described = re.compile(r'alt="[^"]* [^"]*"')
    assert [image for image in images if not described.search(image)] == []


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


def test_the_engines_benchmark_is_part_of_it(reproduced):
    folder, _ = reproduced
    assert store.Run(folder / "run").holds(engine.EXPERIMENT)
    page = (folder / "site/chapters/21-engine-bench.html").read_text()
    assert "2 rounds" in page
    assert all(target.what in page for target in engine.TARGETS)


def test_isolation_is_part_of_it_and_says_what_could_not_be_traced(reproduced):
    folder, _ = reproduced
    shown = html.unescape(executed(folder, "28-isolation"))
    assert re.search(r"Of \d+ things that the probe tries, \d+ are open in \w+, the fewest", shown)
    assert "<td>goes through</td>" in shown
    observations = store.Run(folder / "run").observations("isolation")
    if set(observations["metric"]) >= {"host_syscalls_made"}:
        assert "In brackets the time as a ratio to host, and the number of distinct system calls" in shown
    for name in set(observations.loc[observations["status"] == "unavailable", "runtime"]):
        assert f"<td>{name}</td>" in shown


def test_the_ablation_is_part_of_it_and_draws_no_conclusion_from_one_block(reproduced):
    folder, _ = reproduced
    shown = html.unescape(executed(folder, "29-ablation"))
    assert "start-up: 1 blocks of 39 treatments." in shown
    assert "1 blocks are too few for intervals: which mechanism adds it is not decided." in shown
    assert "Where the filter looks at an argument, an instruction on the way costs" in shown
    assert "Cannot be shown" not in shown


def test_root_inside_is_shown_to_be_nobody_outside(reproduced):
    folder, _ = reproduced
    shown = executed(folder, "14-users")
    assert "Root inside is nobody outside: no user of this host has that number." in shown
    assert "overlaps with another line" in shown


def test_networks_are_shown_apart_and_leave_nothing(reproduced):
    folder, _ = reproduced
    shown = executed(folder, "16-network")
    assert "of 8 on two different ones none." in shown
    assert "are what they were before." in shown


def test_without_a_study_its_chapters_say_that_nothing_was_measured(reproduced):
    folder, done = reproduced
    assert "The profile tiny measures nothing of the study." in done.stderr
    for name in ("22-syscalls", "23-cpu-memory", "24-files", "25-network", "26-applications", "27-footprint"):
        assert "Nothing of this was measured in this run." in executed(folder, name), name
    assert "Nothing was measured from which a choice could be made." in executed(folder, "30-synthesis")


def test_the_lesson_on_means_shows_the_published_case(reproduced):
    folder, _ = reproduced
    shown = executed(folder, "31-means-and-medians")
    assert "10 MB download, gvisor, 1.18 by medians and 0.58 by means" in shown


def test_a_packed_run_gives_a_site_too(reproduced, tmp_path):
    folder, _ = reproduced
    packed = labkit("pack", f"{folder}/run/", f"{tmp_path}/packed")
    assert (packed.returncode, packed.stdout) == (0, f"{tmp_path}/packed/observations.parquet\n"), packed.stderr
    # The others need not be executed once more: these read each experiment's observations.
    read_again = ("20-startup", "21-engine-bench", "28-isolation", "29-ablation")
    shutil.copytree(
        folder / "run/notebooks",
        tmp_path / "packed/notebooks",
        ignore=shutil.ignore_patterns(*(f"{name}.ipynb" for name in read_again)),
    )
    done = labkit("site", "--run", f"{tmp_path}/packed/", "--output", f"{tmp_path}/site")
    assert done.returncode == 0, done.stderr
    assert (
        "Time to the first instruction (warm), as a ratio to runc:"
        in (tmp_path / "site/chapters/20-startup.html").read_text()
    )
