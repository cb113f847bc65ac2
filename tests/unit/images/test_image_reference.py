import pytest

from labkit.errors import UsageError
from labkit.images.reference import parse


@pytest.mark.parametrize(
    ("text", "distribution", "suite", "packages"),
    [
        ("busybox", "busybox", "", ()),
        ("debian", "debian", "", ()),
        ("debian:trixie", "debian", "trixie", ()),
        ("debian+zstd+fio+zstd", "debian", "", ("fio", "zstd")),
        ("debian:sid+g++", "debian", "sid", ("g++",)),
        ("debian+g+++fio", "debian", "", ("fio", "g++")),
        ("debian+libstdc++6+python3.11", "debian", "", ("libstdc++6", "python3.11")),
        ("debian:bookworm-backports", "debian", "bookworm-backports", ()),
    ],
)
def test_a_reference_has_a_distribution_a_suite_and_packages(text, distribution, suite, packages):
    reference = parse(text)
    assert (reference.distribution, reference.suite, reference.packages) == (distribution, suite, packages)


def test_the_text_of_a_reference_is_parsed_to_itself():
    text = "debian:sid+fio+g++"
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "unknown image"),
        ("alpine", "unknown image 'alpine'"),
        ("debian++fio", "unknown image"),
        ("busybox:1", "neither a suite nor packages"),
        ("busybox+fio", "neither a suite nor packages"),
        ("debian:", "not the name of a Debian suite"),
        ("debian:../x", "not the name of a Debian suite"),
        ("debian:sid-", "not the name of a Debian suite"),
        ("debian+", "not the name of a Debian package"),
        ("debian+a", "not the name of a Debian package"),
        ("debian+-oDebug=1", "not the name of a Debian package"),
        ("debian+fio,zstd", "not the name of a Debian package"),
        ("debian+a/../b", "not the name of a Debian package"),
        ("debian+fio~x", "not the name of a Debian package"),
    ],
)
def test_a_reference_that_means_nothing_is_a_usage_error_that_says_why(text, told):
    with pytest.raises(UsageError, match=told) as raised:
        parse(text)
    assert raised.value.hint
    assert raised.value.exit_status == 2
