import pytest

from labkit.errors import UsageError
from labkit.images.foreign import parse
from labkit.images.reference import is_foreign

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("alpine:3", "docker://alpine:3"),
        ("docker:dind", "docker://docker:dind"),
        ("docker://alpine", "docker://alpine:latest"),
        ("localhost:5000/a/b:t", "docker://localhost:5000/a/b:t"),
        ("localhost:5000/a/b", "docker://localhost:5000/a/b:latest"),
        (f"a/b@{DIGEST}", f"docker://a/b@{DIGEST}"),
        (f"a/b:t@{DIGEST}", f"docker://a/b@{DIGEST}"),
        ("oci:/x/y:t", "oci:/x/y:t"),
        ("oci:/x/../y", "oci:/y"),
        ("docker-archive:/x.tar:a/b:t", "docker-archive:/x.tar:a/b:t"),
    ],
)
def test_a_name_is_told_in_full_and_the_full_name_means_the_same(text, told):
    assert is_foreign(text)
    assert str(parse(text)) == told
    assert str(parse(told)) == told


@pytest.mark.parametrize("text", ["busybox", "busybox:1", "debian", "debian:sid", "debian:sid+fio", "alpine", ""])
def test_names_of_our_images_and_bare_words_are_not_foreign(text):
    assert not is_foreign(text)


@pytest.mark.parametrize("text", ["debian/eol:x", "debianx:1", f"debian@{DIGEST}", "docker://debian:sid"])
def test_a_name_that_begins_as_ours_may_be_foreign(text):
    assert is_foreign(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("docker://", "has no name"),
        ("docker:///a", "has no name"),
        ("docker://-x/a:t", "has no name"),
        ("a/:t", "has no name"),
        ("oci:", "has no path"),
        ("http://host/a", "'http://' is not known"),
        ("a/b@sha256:00", "is not a digest"),
        (f"a/b@{DIGEST.replace('sha256', 'md5')}", "is not a digest"),
        ("a b:t", "blanks"),
        ("a:t\n", "blanks"),
        ("a:\x1b[2J", "blanks"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_a_hint(text, told):
    with pytest.raises(UsageError, match=told) as raised:
        parse(text)
    assert raised.value.hint
    assert "\x1b" not in raised.value.message


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000"])
def test_registries_on_the_loopback_interface_are_known(host):
    assert parse(f"docker://{host}/a:t").loopback


@pytest.mark.parametrize(
    "name",
    [
        "docker://localhost.example.org/a:t",
        "docker://127.0.0.1.example.org/a:t",
        "docker://127.evil.example.org/a:t",
        "docker://example.org/localhost/a:t",
        "docker://localhost:5000",
        "oci:localhost/a",
    ],
)
def test_other_places_are_not_taken_for_the_loopback_interface(name):
    assert not parse(name).loopback
