import pandas as pd

from labkit.nb import masks, propagation


def test_propagation_is_told_by_direction():
    columns = ["option", "mounted outside, seen inside", "mounted inside, seen outside"]
    frame = pd.DataFrame([("rprivate", "no", "no"), ("rslave", "yes", "no"), ("rshared", "yes", "no")], columns=columns)
    assert propagation.in_words(frame) == (
        "A mount made outside arrives inside with rslave and rshared; one made inside gets out with none."
    )


def test_paths_that_tell_something_are_counted():
    frame = pd.DataFrame(
        {
            "path": ["/proc/keys", "/proc/acpi", "/sys/firmware"],
            "inside, not covered": ["077e029f", "0 entries", "2 entries"],
            "inside": ["nothing", "0 entries", "0 entries"],
        }
    )
    assert masks.in_words(frame) == "Not covered, 2 of 3 paths tell something; covered, none of them."
