import pytest

from labkit.errors import LabkitError
from labkit.nb import builder
from labkit.workloads.probe import table

HEADING = "kind\tarea\tquestion\tanswer\tunit\n"


def written(mount="EPERM", nodes="null", calls="EPERM", pid="1"):
    return table.read(
        HEADING
        + f"fact\tidentity\tpid\t{pid}\t\ncan\tactions\tmount\t{mount}\t\nset\tdevices\tnodes\t{nodes}\t\n"
        + f"can\t{table.CALLS}\tread\tyes\t\ncan\t{table.CALLS}\tbpf\t{calls}\t\n"
    )


def test_answers_that_differ_are_told_and_facts_are_not():
    found = builder.differences(written(), written(mount="yes", pid="7"))
    assert found.to_dict("records") == [{"area": "actions", "question": "mount", "with all": "EPERM", "without": "yes"}]


def test_of_a_set_only_what_is_more_is_named():
    (row,) = builder.differences(written(), written(nodes="null zero")).to_dict("records")
    assert (row["with all"], row["without"]) == ("null", "also zero")


def test_system_calls_are_one_row():
    (row,) = builder.differences(written(), written(calls="yes")).to_dict("records")
    assert (row["with all"], row["without"]) == ("1", "2, now also bpf")


def test_without_a_difference_there_is_no_row():
    assert builder.differences(written(), written()).empty


def test_the_sentence_counts_the_weaker_answers():
    whole, less = written(), written(mount="yes", calls="yes")
    assert builder.in_words(["masked paths", "device rules"], whole, less) == (
        "Without masked paths and device rules, 2 of 5 answers are weaker."
    )
    assert builder.in_words([], whole, whole) == "Every mechanism is on."


class Fake:
    """A builder whose containers are open to mount where the filter is off, and cannot be made without masks."""

    def probe(self, off=()):
        if "masked paths" in off:
            raise LabkitError("no masks, no container")
        return written(mount="yes" if "system-call filter" in off else "EPERM")

    def compare(self, off):
        return builder.differences(self.probe(), self.probe(off))


@pytest.fixture
def switches():
    return builder.Switches(Fake())


def test_there_is_a_switch_for_each_mechanism_and_all_are_on(switches):
    assert list(switches.boxes) == list(builder.MECHANISMS)
    assert all(box.value for box in switches.boxes.values())
    assert switches.answer.value == '<p role="status">Every mechanism is on.</p>'


def test_a_switch_shows_what_is_different_and_back_again(switches):
    switches.boxes["system-call filter"].value = False
    assert "1 of 5 answers are weaker" in switches.answer.value
    assert "<td>mount</td>" in switches.answer.value
    switches.boxes["system-call filter"].value = True
    assert "<table" not in switches.answer.value


def test_what_cannot_be_made_says_why_in_one_line(switches):
    switches.boxes["masked paths"].value = False
    assert switches.answer.value == '<p role="status">Cannot be shown here: no masks, no container</p>'
