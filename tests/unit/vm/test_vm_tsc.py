import platform
import re

import pytest

from labkit.vm import tsc


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have no time stamp counter")
def test_the_counters_frequency_is_the_same_each_time_and_about_the_processors():
    first, second = tsc.kilohertz(), tsc.kilohertz()
    assert first == pytest.approx(second, rel=1e-3)
    with open("/proc/cpuinfo") as file:
        now = float(re.search(r"MHz\s*: ([\d.]+)", file.read())[1])
    # What the processor runs at now goes up and down, the counter does not.
    assert now / 8 < first / 1000 < now * 8
