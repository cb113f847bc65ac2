import json
import shutil
import subprocess

import pytest

from labkit.errors import UsageError
from labkit.oci import features, main
from labkit.plan.options import Options


def test_the_document_is_printed_as_json(capsys):
    assert features.main([], {}) == 0
    assert json.loads(capsys.readouterr().out) == features.document()


def test_other_words_are_refused():
    with pytest.raises(UsageError, match="requires exactly 0"):
        features.main(["all"], {})


def test_every_mount_option_named_is_one_that_is_not_left_to_the_filesystem():
    named = features.document()["mountOptions"]
    assert {"rro", "ridmap", "tmpcopyup", "rshared"} <= set(named)
    assert Options(tuple(named)).data == ()


def test_flags_that_this_kernel_has_are_among_those_known():
    seccomp = features.document()["linux"]["seccomp"]
    # Since Linux 4.14.
    assert "SECCOMP_FILTER_FLAG_LOG" in seccomp["supportedFlags"]
    assert set(seccomp["supportedFlags"]) <= set(seccomp["knownFlags"])


def test_a_flag_that_the_kernel_does_not_know_is_not_supported(monkeypatch):
    monkeypatch.setitem(features.FILTER_FLAGS, "SECCOMP_FILTER_FLAG_OF_THE_FUTURE", 1 << 30)
    seccomp = features.document()["linux"]["seccomp"]
    assert "SECCOMP_FILTER_FLAG_OF_THE_FUTURE" in seccomp["knownFlags"]
    assert "SECCOMP_FILTER_FLAG_OF_THE_FUTURE" not in seccomp["supportedFlags"]


def test_what_is_refused_in_a_configuration_is_not_said_to_be_known():
    linux = features.document()["linux"]
    assert not linux["intelRdt"]["enabled"]
    assert linux["netDevices"]["enabled"]
    assert "MPOL_BIND" in linux["memoryPolicy"]["modes"]


def test_nothing_that_runc_knows_is_missing():
    if shutil.which("runc") is None:
        pytest.skip("runc is not installed")
    theirs = json.loads(subprocess.run(["runc", "features"], check=True, capture_output=True).stdout)
    ours = features.document()
    # These two are the filesystem's own here, and the kernel has no flag for them.
    assert set(theirs["mountOptions"]) - {"acl", "noacl"} <= set(ours["mountOptions"])
    assert ours["hooks"] == theirs["hooks"]
    assert ours["linux"]["capabilities"] == theirs["linux"]["capabilities"]
    assert set(theirs["linux"]["namespaces"]) <= set(ours["linux"]["namespaces"])
    for name in ("actions", "operators", "archs"):
        assert set(theirs["linux"]["seccomp"][name]) <= set(ours["linux"]["seccomp"][name])


def test_the_version_names_them_in_the_words_of_crun(capsys):
    assert main.run(["--version"]) == 0
    first, _, specification, named = capsys.readouterr().out.splitlines()
    assert "used as runc version" in first
    assert specification == "spec: 1.2.0"
    assert {"+SYSTEMD", "+SECCOMP"} <= set(named.split())
    # No feature that it has not.
    assert "CRIU" not in named
