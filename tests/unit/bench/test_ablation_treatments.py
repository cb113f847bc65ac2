import pytest

from labkit.bench import ablation
from labkit.bench.ablation import ALONE, AND, BARE, FULL, MECHANISMS, MORE, PARTS, WITHOUT
from labkit.bench.store import Run
from labkit.errors import LabkitError
from labkit.runtimes import bundle


def altered(label):
    spec = bundle.spec("/rootfs", ("true",))
    ablation.treatment(label, "/overlay").alter(spec)
    return spec.dump()


def differing(one, other, path=""):
    """The properties in which two specifications differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            found
            for key in one.keys() | other.keys()
            for found in differing(one.get(key), other.get(key), f"{path}/{key}")
        }
    return set() if one == other else {path}


def test_the_full_one_is_the_bundle_of_the_study():
    assert altered(FULL) == bundle.spec("/rootfs", ("true",)).dump()


def test_the_bare_one_has_the_mount_namespace_alone_and_every_capability():
    spec = altered(BARE)
    assert spec["linux"]["namespaces"] == [{"type": "mount"}]
    assert "seccomp" not in spec["linux"]
    assert "CAP_SYS_ADMIN" in spec["process"]["capabilities"]["bounding"]
    assert not spec["process"].get("noNewPrivileges")
    assert not spec["root"].get("readonly")


@pytest.mark.parametrize("name", PARTS)
def test_left_out_alone_and_added_alone_change_the_same_properties(name):
    out = differing(altered(FULL), altered(f"{WITHOUT}{name}"))
    into = differing(altered(BARE), altered(f"{ALONE}{name}"))
    assert out
    assert {path.split("/")[1:3][-1] for path in out} == {path.split("/")[1:3][-1] for path in into}


def test_each_mechanism_changes_something_that_no_other_does():
    changed = [frozenset(differing(altered(FULL), altered(f"{WITHOUT}{name}"))) for name in PARTS]
    # The namespaces are one list.
    others = [paths for paths in changed if not any("namespaces" in path for path in paths)]
    assert len(set(others)) == len(others)


def test_what_the_bundle_lacks_is_added_to_it():
    assert {"type": "user"} in altered(f"{AND}user namespace")["linux"]["namespaces"]
    assert altered(f"{AND}overlay")["root"]["path"] == "/overlay"
    assert altered(f"{ALONE}overlay")["root"]["path"] == "/overlay"


def test_there_is_a_treatment_for_each_mechanism_in_and_out_and_none_that_cannot_be_alone():
    found = ablation.labels()
    assert len(set(found)) == len(found) == 2 * 4 + 2 * len(PARTS) + 3
    assert [ablation.without_copy(label) for label in found[:8]] == [FULL] * 4 + [BARE] * 4
    assert all(ablation.held(label) == ablation.held(ablation.without_copy(label)) for label in found)
    assert set(MORE) == {"user namespace", "overlay"}
    assert f"{ALONE}user namespace" not in found
    assert [name for name in MECHANISMS if MECHANISMS[name].needs] == ["user namespace"]


def test_a_label_that_is_none_is_refused_by_name(tmp_path):
    with pytest.raises(LabkitError, match=r"'without luck'.*system-call filter"):
        ablation.treatment("without luck")
    with pytest.raises(LabkitError, match="no mechanism 'luck'"):
        ablation.measure(Run(tmp_path), ablation.Ablation(blocks=1, mechanisms=("luck",)))
    with pytest.raises(LabkitError, match="no blocks"):
        ablation.measure(Run(tmp_path), ablation.Ablation(blocks=0))
