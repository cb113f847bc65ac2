"""The measurement of what a driver itself costs."""

import pytest

from labkit import runtimes
from labkit.bench import driver_cost

pytestmark = pytest.mark.root


def test_each_runtime_has_a_line_with_both_times(capsys):
    if not runtimes.driver("runc").probe().available:
        pytest.skip("runc is not available on this host")
    assert driver_cost.main(["runc", "host", "2"]) == 0
    measured, other = capsys.readouterr().out.splitlines()
    assert measured.startswith("runc: ")
    assert "the driver adds" in measured
    assert other == "host: not measured, it is no OCI runtime"
