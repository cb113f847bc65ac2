import pytest

from labkit.runtimes.trial_run import last_words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", ""),
        ("unknown version specified\n", "unknown version specified"),
        (
            'time="2026-11-24T21:10:38Z" level=error msg="runc run failed: device access at 0 field cannot be empty"\n',
            "runc run failed: device access at 0 field cannot be empty",
        ),
        ('level=error msg="a \\"quoted\\" word"', 'a "quoted" word'),
        ("labkit: UseRoot: no such folder\nhint: make it\n", "labkit: UseRoot: no such folder"),
    ],
)
def test_the_runtimes_last_line_is_taken_out_of_its_loggers_frame(said, words):
    assert last_words(said) == words
