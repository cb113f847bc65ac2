"""Whether somebody else may have a container's program in hand."""

import pytest

from labkit.oci.bundle import exchangeable
from labkit.spec import default
from labkit.spec.model import Mount


def spec(command, *destinations, options=("rbind",)):
    made = default.spec("/image", (command,))
    made.mounts += tuple(
        Mount(destination=place, kind="bind", source="/host", options=options) for place in destinations
    )
    return made


@pytest.mark.parametrize(
    ("command", "destination"),
    [
        ("/data/tool", "/data"),
        ("/data/tool", "data/"),
        ("/tool", "/tool"),
        ("tool", "/usr/local/bin"),
        ("tool", "/usr"),
    ],
)
def test_on_a_volume_it_is(command, destination):
    assert exchangeable(spec(command, destination))
    assert not exchangeable(spec(command, destination, options=("rbind", "ro")))


@pytest.mark.parametrize(("command", "destination"), [("/bin/sh", "/data"), ("sh", "/bi"), ("sh", "/etc/hosts")])
def test_in_the_image_it_is_not(command, destination):
    assert not exchangeable(spec(command, destination))
