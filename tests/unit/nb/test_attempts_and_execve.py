"""The attempts as a list, what becomes of their outcomes, and the rules of execve."""

import pandas as pd
import pytest

from labkit.linux.capabilities import NUMBERS, mask, names
from labkit.nb import attempts, capabilities
from labkit.nb.attempts import ATTEMPTS, NOT_SHOWN
from labkit.nb.capabilities import CASES, Case, Execve, after_execve
from labkit.plots import attempts as plot


def test_each_capability_has_one_attempt_or_a_reason_why_there_is_none():
    tried = [attempt.capability for attempt in ATTEMPTS]
    assert len(tried) == len(set(tried))
    assert {*tried, *NOT_SHOWN} == set(NUMBERS)
    assert not set(tried) & set(NOT_SHOWN)


def test_each_attempt_is_a_line_of_the_script_with_its_program(tmp_path):
    attempts.write_programs(str(tmp_path))
    lines = attempts.script().splitlines()[1:]
    assert len(lines) == len(ATTEMPTS)
    for attempt, line in zip(ATTEMPTS, lines, strict=True):
        assert f"echo {attempt.capability} $?" in line
        assert ("/try/" in line) == (attempt.call is not None)
    assert (tmp_path / "CAP_SYS_TIME").stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("status", "expected"),
    [(0, (True, "done")), (1, (False, "Operation not permitted")), (13, (False, "Permission denied")),
     (2, (True, "let through; then: No such file or directory"))],
)  # fmt: skip
def test_a_call_that_fails_for_another_reason_was_let_through(status, expected):
    (one,) = [attempt for attempt in ATTEMPTS if attempt.capability == "CAP_SYS_PACCT"]
    assert capabilities._outcome(one, status, "") == expected


def test_a_command_is_refused_when_it_fails_and_says_how():
    (one,) = [attempt for attempt in ATTEMPTS if attempt.capability == "CAP_CHOWN"]
    assert capabilities._outcome(one, 1, "chown: /tmp/mine: Operation not permitted") == (
        False,
        "Operation not permitted",
    )
    assert capabilities._outcome(one, 1, "") == (False, "not done")


OURS = ("CAP_KILL", "CAP_CHOWN")


def after(user=0, file=False, no_new_privileges=False, **sets):
    found = after_execve(Case("", sets, user, file, no_new_privileges))
    return None if found is None else {name: set(names(bits)) for name, bits in found.items()}


def test_user_0_gets_what_is_in_the_bounding_set():
    assert after(bounding=OURS)["effective"] == set(OURS)
    assert after(permitted=OURS, effective=OURS)["permitted"] == set()


def test_another_user_keeps_the_ambient_ones_alone():
    found = after(user=1, bounding=OURS, permitted=OURS, effective=OURS, inheritable=OURS, ambient=OURS[:1])
    assert found["permitted"] == found["effective"] == found["ambient"] == {"CAP_KILL"}
    assert found["inheritable"] == set(OURS)


def test_a_file_with_capabilities_gives_them_and_takes_the_ambient_ones():
    own = "CAP_NET_BIND_SERVICE"
    found = after(user=1, file=True, bounding=(own, *OURS), permitted=OURS, inheritable=OURS, ambient=OURS)
    assert found["permitted"] == found["effective"] == {own}
    assert found["ambient"] == set()
    assert after(user=1, file=True, no_new_privileges=True, bounding=(own,))["permitted"] == set()
    assert after(user=1, file=True) is None


def test_sets_that_differ_from_the_rules_do_not_agree():
    case = CASES[0]
    expected = after_execve(case)
    assert Execve(case, expected, dict(expected)).agrees
    assert not Execve(case, expected, expected | {"permitted": 0}).agrees
    assert not Execve(case, expected, "needs root").agrees
    assert Execve(case, None, "Operation not permitted").agrees
    assert not Execve(case, None, dict(expected)).agrees


def measured(*opened, capabilities=("CAP_CHOWN", "CAP_KILL", "CAP_SYS_ADMIN")):
    """A frame in which each of `opened` (attempt, given) was let through."""
    return pd.DataFrame(
        [
            {"capability": name, "what": "", "given": given, "permitted": (name, given) in opened, "words": ""}
            for given in ("none", *capabilities)
            for name in capabilities
        ]
    )


ADMIN = ("CAP_SYS_ADMIN", "CAP_SYS_ADMIN")


def test_the_sentence_counts_what_shows_its_capability():
    frame = measured(("CAP_CHOWN", "CAP_CHOWN"), ADMIN, ("CAP_CHOWN", "CAP_SYS_ADMIN"), ("CAP_KILL", "none"))
    text = plot.sentence(frame)
    assert text.startswith("2 of 3 attempts are refused without any capability")
    assert "Let through without any, on this host: KILL." in text
    assert text.endswith("SYS_ADMIN opens the most doors of others: CHOWN.")


def test_an_attempt_that_fails_even_so_is_named():
    assert "Refused even with it: CHOWN and KILL" in plot.sentence(measured(ADMIN))


def test_the_matrix_is_drawn_with_a_row_and_a_column_for_each():
    figure = plot.attempts(measured(ADMIN))
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["CHOWN", "KILL", "SYS_ADMIN"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["none", "CHOWN", "KILL", "SYS_ADMIN"]


def test_the_masks_of_a_case_are_those_of_its_names():
    assert Case("", {"ambient": OURS}).before()["ambient"] == mask(list(OURS))
