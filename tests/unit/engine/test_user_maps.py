import subprocess
import sys

import pytest

from labkit.engine import users
from labkit.errors import LabkitError
from labkit.plan.facts import Facts
from labkit.plan.parent import WriteIdMaps
from labkit.plan.users import RunMappers
from labkit.spec import default
from labkit.spec.model import IdMapping

OWN = "0:1000:1"


@pytest.fixture
def ordinary(monkeypatch):
    """User 1000 with ids from 100000 on, on a host that has newuidmap."""
    monkeypatch.setattr(users.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(users.os, "getegid", lambda: 1000)
    monkeypatch.setattr(users, "subordinate", lambda path, uid: [(100_000, 65_536), (300_000, 10)])
    monkeypatch.setattr(users, "find_mapper", lambda name: f"/usr/bin/{name}")
    return Facts(euid=1000, egid=1000, permitted=0)


def lines(maps):
    return [(line.container_id, line.host_id, line.size) for line in maps]


def with_maps(text):
    spec = default.spec("/image", ("sh",))
    spec.linux.uid_mappings, spec.linux.gid_mappings = users.parse(text)
    return spec


def test_one_map_is_for_both():
    uids, gids = users.parse("0:100000:10,10:5:1")
    assert lines(uids) == lines(gids) == [(0, 100_000, 10), (10, 5, 1)]


def test_gids_can_have_their_own():
    uids, gids = users.parse("0:1:2/3:4:5")
    assert (lines(uids), lines(gids)) == ([(0, 1, 2)], [(3, 4, 5)])


@pytest.mark.parametrize("text", ["", "0", "0:1", "0:1:2:3", "a:1:2", "0:-1:2", "0:1:2,", "0:1:2/", "0:1:²"])
def test_what_is_no_map_is_refused(text):
    with pytest.raises(LabkitError, match="is not understood"):
        users.parse(text)


def test_an_ordinary_users_own_map_takes_no_program(ordinary):
    assert users.map_step(with_maps(OWN), ordinary) == WriteIdMaps(True, "0 1000 1", "0 1000 1")


def test_more_takes_the_programs(ordinary):
    text = "0 1000 1\n1 100000 65536"
    step = users.map_step(with_maps("0:1000:1,1:100000:65536"), ordinary)
    assert step == RunMappers(text, "/usr/bin/newgidmap", "/usr/bin/newuidmap", text)


@pytest.mark.parametrize("text", ["0:100000:65537", "0:99999:2", "0:0:1", "0:1000:2", "0:165535:2", "0:300009:2"])
def test_what_exceeds_the_ranges_is_refused_with_what_does_not(ordinary, text):
    with pytest.raises(LabkitError, match="what you may map: 1000, 100000-165535, 300000-300009"):
        users.map_step(with_maps(text), ordinary)


def test_who_has_the_capabilities_writes_any_map():
    host = Facts(euid=1000, egid=1000)
    assert users.map_step(with_maps("0:5:7"), host) == WriteIdMaps(False, "0 5 7", "0 5 7")


def test_auto_is_all_an_ordinary_user_has(ordinary):
    spec = default.spec("/image", ("sh",))
    users.configure(spec, "auto")
    assert "user" in spec.linux.kinds()
    assert lines(spec.linux.uid_mappings) == [(0, 1000, 1), (1, 100_000, 65_536), (65_537, 300_000, 10)]


def test_an_ordinary_user_needs_a_user_namespace(ordinary):
    with pytest.raises(LabkitError, match="needs a user namespace"):
        users.configure(default.spec("/image", ("sh",)), "host")


def test_host_is_no_user_namespace(monkeypatch):
    monkeypatch.setattr(users.os, "geteuid", lambda: 0)
    spec = default.spec("/image", ("sh",))
    users.configure(spec, "0:100000:5")
    users.configure(spec, "host")
    assert "user" not in spec.linux.kinds()
    assert spec.linux.uid_mappings == ()


def test_the_mappers_get_the_pid_and_the_lines():
    calls = []

    class Kernel:
        def run_program(self, *arguments):
            calls.append(arguments[:2])
            return 0, ""

    from labkit.plan.step import Scene

    scene = Scene(Kernel())
    scene.pid = 42
    RunMappers("0 7 1", "/bin/newgidmap", "/bin/newuidmap", "0 5 1\n1 9 3").apply(scene)
    assert calls == [
        ("/bin/newuidmap", ("newuidmap", "42", "0", "5", "1", "1", "9", "3")),
        ("/bin/newgidmap", ("newgidmap", "42", "0", "7", "1")),
    ]


def test_the_step_crosses_to_another_process():
    program = "import sys; from labkit.plan import plan, step; print(step.decode(eval(sys.argv[1])).describe())"
    step = RunMappers("0 7 1", "/bin/newgidmap", "/bin/newuidmap", "0 5 1")
    words = [sys.executable, "-c", program, repr(step.encode())]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == step.describe()


def test_a_map_of_a_spec_is_text():
    assert users.map_text((IdMapping(host_id=5, size=2),)) == "0 5 2"
