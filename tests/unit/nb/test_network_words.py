import pandas as pd

from labkit.nb import network, users
from labkit.nb.network import Footprint


def test_what_is_different_afterwards_is_named():
    before = Footprint("table ip a {\n}", "0", ("lo",))
    assert before.compared_with(before).endswith("are what they were before.")
    after = Footprint("table ip a {\n}", "1", ("lo", "labkit0"))
    assert before.compared_with(after) == "Different afterwards: forwarding, the interfaces."


def test_labkits_table_is_found_among_others():
    rules = "table inet own {\n\tchain x {\n\t}\n}\ntable ip labkit {\n\tchain y {\n\t}\n}\ntable ip z {\n}\n"
    assert network.own_rules(Footprint(rules, "0", ())) == "table ip labkit {\n\tchain y {\n\t}\n}"
    assert network.own_rules(Footprint("", "0", ())) == "no table of labkit's"


def test_what_root_loses_is_counted():
    frame = pd.DataFrame(
        {"what": list("abcd"), users.WITHOUT: ["yes", "yes", "yes", "no: x"], users.WITH: ["yes", "no: y", "no", "no"]}
    )
    said = users.attempts_in_words(frame)
    assert "Of the 4 things 3 are possible without a user namespace, and of these 1 with one" in said
    assert said.endswith("The 2 others are the host's.")


def test_somebody_outside_is_not_called_nobody():
    frame = pd.DataFrame({"what": ["process"], "inside": ["user 0"], "outside": ["user 1000 (ann)"]})
    assert users.seen_in_words(frame) == "Inside it is user 0, outside user 1000 (ann)."
    frame["outside"] = "user 1234567 (nobody of that number)"
    assert "nobody outside" in users.seen_in_words(frame)
