import json

from labkit.bench import facts


def test_facts_are_plain_json_and_complete():
    gathered = facts.gather()
    assert json.loads(json.dumps(gathered)) == gathered
    for name in ("host", "kernel", "machine", "cpu", "cgroup_mode", "distribution", "started", "labkit", "python"):
        assert gathered[name], name
    assert gathered["cpus"] >= 1
    assert gathered["memory_bytes"] > 2**20


def test_the_images_are_told_by_name_and_digest_and_not_by_where_they_came_from(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert facts.gather()["images"] == []
    for key, known in (
        ("busybox", {"reference": "busybox", "digest": "sha256:1", "created": "1"}),
        ("oci", {"reference": "oci:/home/me/a:t", "digest": "sha256:2", "manifest": "sha256:3", "created": "2"}),
    ):
        (tmp_path / "labkit/images" / key / "rootfs").mkdir(parents=True)
        (tmp_path / "labkit/images" / key / "image.json").write_text(json.dumps(known))
    assert facts.gather()["images"] == ["busybox sha256:1", "a:t sha256:3"]


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
