import json
import os

from labkit.runtimes import bundle
from labkit.spec.load import load_bundle


def test_a_written_bundle_loads_as_the_same_configuration(tmp_path):
    (tmp_path / "rootfs").mkdir()
    made = bundle.spec(str(tmp_path / "rootfs"), ("/payload",))
    folder = bundle.write(str(tmp_path / "bundle"), made)
    assert load_bundle(folder) == made


def test_the_bundle_has_a_filter_a_read_only_root_and_for_root_limits(tmp_path):
    made = bundle.spec(str(tmp_path), ("/payload",)).dump()
    assert made["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert made["root"] == {"path": str(tmp_path), "readonly": True}
    if os.geteuid() == 0:
        assert made["linux"]["resources"]["memory"]["limit"] == bundle.MEMORY
        assert made["linux"]["resources"]["pids"]["limit"] == bundle.PIDS
    else:
        assert [kind["type"] for kind in made["linux"]["namespaces"]].count("user") == 1


def test_every_device_rule_names_its_access_as_runc_asks(tmp_path):
    rules = bundle.spec(str(tmp_path), ("/x",)).dump()["linux"]["resources"].get("devices", [])
    assert all(rule["access"] for rule in rules)


def test_the_same_text_is_written_each_time(tmp_path):
    texts = []
    for name in ("a", "b"):
        folder = bundle.write(str(tmp_path / name), bundle.spec(str(tmp_path), ("/x",)))
        with open(f"{folder}/config.json") as file:
            texts.append(file.read())
    assert texts[0] == texts[1]
    json.loads(texts[0])
