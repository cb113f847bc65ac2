import json

from labkit.bench import facts


def test_facts_are_plain_json_and_complete():
    gathered = facts.gather()
    assert json.loads(json.dumps(gathered)) == gathered
    for name in ("host", "kernel", "machine", "cpu", "cgroup_mode", "distribution", "started", "labkit", "python"):
        assert gathered[name], name
    assert gathered["cpus"] >= 1
    assert gathered["memory_bytes"] > 2**20


def test_the_host_has_one_name_that_is_not_its_machine_id():
    assert facts.host() == facts.host()
    try:
        with open("/etc/machine-id") as file:
            assert facts.host() not in file.read()
    except FileNotFoundError:
        assert len(facts.host()) == 12


def test_stolen_ticks_are_part_of_all_ticks():
    stolen, ticks = facts.steal_ticks()
    assert 0 <= stolen < ticks
