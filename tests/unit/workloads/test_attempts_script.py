import subprocess

from labkit.workloads.attempts import ATTEMPTS, Attempt, read, script


def test_each_attempt_is_answered_whatever_becomes_of_it(tmp_path):
    """Also one that ends its shell, and one that leaves things behind."""
    made = (
        Attempt("works", "", "echo much; touch left"),
        Attempt("fails", "", "false"),
        Attempt("ends its shell", "", ": >> /no/such/folder/file"),
        Attempt("is no command", "", "no-such-command-anywhere"),
        Attempt("last", "", "true"),
    )
    options = {"capture_output": True, "text": True, "check": True}
    done = subprocess.run(["sh", "-c", script(made)], env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}, **options)
    assert read(done.stdout) == {
        "works": True,
        "fails": False,
        "ends its shell": False,
        "is no command": False,
        "last": True,
    }
    assert list(tmp_path.iterdir()) == []


def test_names_are_distinct_and_of_one_line():
    names = [attempt.name for attempt in ATTEMPTS]
    assert len(set(names)) == len(names)
    assert not any("\n" in attempt.name + attempt.script or "'" in attempt.name for attempt in ATTEMPTS)
