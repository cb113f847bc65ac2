"""The shape of the device program; what it decides is seen in tests/kernel/test_device_program.py."""

from hypothesis import given
from hypothesis import strategies as st

from labkit.cgroups.devices import program
from labkit.spec.model import DeviceRule

RULES = st.lists(
    st.builds(
        DeviceRule,
        allow=st.booleans(),
        kind=st.sampled_from("abc"),
        major=st.none() | st.integers(-1, 2**32 - 1),
        minor=st.none() | st.integers(-1, 2**32 - 1),
        access=st.sampled_from(["", "r", "w", "m", "rw", "rwm"]),
    ),
    max_size=6,
).map(tuple)
JUMPS = {0x05, 0x46, 0x56}
EXIT = 0x95


@given(RULES)
def test_every_jump_lands_on_an_instruction_and_every_path_ends(rules):
    code = program(rules)
    opcodes = code[::8]
    for index, opcode in enumerate(opcodes):
        if opcode in JUMPS:
            assert index < index + 1 + int.from_bytes(code[8 * index + 2 : 8 * index + 4], "little") < len(opcodes)
    assert opcodes[-1] == EXIT


def test_nothing_follows_a_rule_for_everything():
    """What cannot be reached the verifier refuses."""
    everything, one = DeviceRule(allow=True), DeviceRule(allow=False, kind="c", major=1, minor=11)
    assert program((one, everything)) == program((everything,))
    assert len(program((everything, one))) > len(program((everything,)))
