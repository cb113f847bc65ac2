import pytest

from labkit.errors import UsageError
from labkit.oci import events


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("100ms", 0.1),
        ("1h2m3.5s", 3723.5),
        ("250us", 250e-6),
        ("250\u00b5s", 250e-6),
        ("7ns", 7e-9),
        (".5s", 0.5),
        ("+2s", 2),
        ("-1m", -60),
        ("0", 0),
    ],
)
def test_durations_are_read_as_go_writes_them(text, seconds):
    assert events.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "5x", "1.2.3s", "s5", "--5s", "5S", "1e3s", "inf", "five"])
def test_what_is_no_duration_is_told_in_the_words_of_runc(text):
    with pytest.raises(UsageError, match=f'^invalid value "{text}" for flag -interval: parse error'):
        events.seconds(text)


def test_an_event_is_printed_as_go_encodes_it(capfd):
    events._print({"type": "oom", "id": "a", "data": {"numbers": [1, 2.5], "none": None, "text": 'a "b"'}})
    expected = '{"type":"oom","id":"a","data":{"numbers":[1,2.5],"none":null,"text":"a \\"b\\""}}\n'
    assert capfd.readouterr().out == expected
