"""Reading what labkit.vm writes."""

import pytest


@pytest.fixture(scope="session")
def members():
    return read_members


def read_members(archive):
    """Read a newc archive as buffer-format.rst has it: path -> (st_mode, content)."""
    found, place = {}, 0
    while True:
        assert archive[place : place + 6] == b"070701"
        fields = [int(archive[place + 6 + 8 * n : place + 14 + 8 * n], 16) for n in range(13)]
        name_end = place + 110 + fields[11]
        assert archive[name_end - 1] == 0
        name = archive[place + 110 : name_end - 1].decode()
        start = name_end + -name_end % 4
        end = start + fields[6]
        place = end + -end % 4
        if name == "TRAILER!!!":
            assert not archive[place:].strip(b"\0")
            return found
        found[name] = (fields[1], archive[start:end])
