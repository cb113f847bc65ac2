import pandas as pd
import pytest

from labkit.errors import LabkitError
from labkit.plots.host_kernel import host_kernel, named, sentence, summary
from labkit.stats.synthetic import row


def observations():
    rows = []
    counts = {"host": (45, 45, 46), "runc": (52, 50, 51), "microvm": (31, 30, 31)}
    for runtime, values in counts.items():
        for block, value in enumerate(values):
            rows.append(row(runtime, "shell", block, 0, "host_syscalls", value))
            rows.append(row(runtime, "shell", block, 0, "host_syscalls_made", 1000 * value))
            rows.append(row(runtime, "shell", block, 0, "call read", 5))
    rows.append(row("microvm", "shell", 2, 0, "call ioctl", 7))
    rows.append(row("runsc", "shell", 0, 0, "host_syscalls", status="failed", reason="no word why"))
    frame = pd.DataFrame(rows)
    return frame.assign(workload=frame["condition"])


def test_a_dot_is_the_median_and_its_bar_goes_from_least_to_most():
    table = summary(observations().query("metric == 'host_syscalls' and status == 'ok'")).set_index("runtime")
    assert table.loc["runc", ["median", "least", "most"]].tolist() == [51, 50, 52]
    axes = host_kernel(observations()).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["microvm", "host", "runc"]
    assert [text.get_text() for text in axes.texts] == ["45", "51", "31"]


def test_it_says_who_uses_least_and_most_and_what_host_does():
    assert sentence(observations()) == (
        "shell: microvm uses the fewest distinct system calls of the host, 31, and runc the most, 51; "
        "host, with no isolation, 45."
    )


def test_calls_that_host_does_not_make_are_named_whichever_block_saw_them():
    table = named(observations(), "shell").set_index("runtime")
    assert table["not made by host"].to_dict() == {"host": "–", "microvm": "ioctl", "runc": "none"}
    assert table.loc["microvm", "distinct, all blocks"] == 2
    assert table.loc["runc", "calls made"] == "51,000"


def test_what_was_not_counted_is_refused_with_the_way_to_count_it():
    with pytest.raises(LabkitError, match=r"functions of the host's kernel can be drawn: none were counted"):
        host_kernel(observations(), "host_functions")


def test_panels_are_four_in_a_line():
    one = observations()
    many = pd.concat([one.assign(workload=name, condition=name) for name in ("a", "b", "c", "d", "e", "f")])
    axes = host_kernel(many).axes
    assert [each.get_title() for each in axes] == ["a", "b", "c", "d", "e", "f"]
    places = [each.get_subplotspec() for each in axes]
    assert [(place.rowspan.start, place.colspan.start) for place in places] == [
        *((0, n) for n in range(4)),
        (1, 0),
        (1, 1),
    ]
