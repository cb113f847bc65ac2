from labkit.linux.bpf import instruction


def test_an_instruction_has_the_layout_of_struct_bpf_insn():
    assert instruction(0x61, 2, 1, 8) == bytes([0x61, 0x12, 8, 0, 0, 0, 0, 0])
    assert instruction(0x54, 2, immediate=0xFFFF) == bytes([0x54, 2, 0, 0, 0xFF, 0xFF, 0, 0])
    assert instruction(0x56, 4, offset=-1, immediate=2**32 - 1) == bytes([0x56, 4, *[0xFF] * 6])
    assert instruction(0xB4, immediate=-1)[4:] == b"\xff" * 4
