"""bpf(2), as far as device programs need it: encode instructions, load a program, attach it to a cgroup.

Sources: include/uapi/linux/bpf.h and bpf_common.h; Documentation/bpf/standardization/instruction-set.rst.
"""

from __future__ import annotations

import errno
import os
from _struct import pack, unpack_from
from array import array

from labkit.linux.libc import address, syscall

# enum bpf_cmd, bpf_prog_type, bpf_attach_type.
BPF_COMMANDS = {
    "BPF_PROG_LOAD": 5,
    "BPF_PROG_ATTACH": 8,
    "BPF_PROG_DETACH": 9,
    "BPF_PROG_GET_FD_BY_ID": 13,
    "BPF_PROG_QUERY": 16,
}
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI = 2

# struct bpf_cgroup_dev_ctx: access_type is the access shifted left by 16, with the kind below.
BPF_DEVCG_ACC_MKNOD = 1
BPF_DEVCG_ACC_READ = 2
BPF_DEVCG_ACC_WRITE = 4
BPF_DEVCG_DEV_BLOCK = 1
BPF_DEVCG_DEV_CHAR = 2

# The kernel attaches no more to one cgroup (BPF_CGROUP_MAX_PROGS).
_MOST_PROGRAMS = 64
_LOG_SIZE = 65536


def instruction(opcode: int, dst: int = 0, src: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """One struct bpf_insn: the destination register is in the low four bits of its byte, the source in the high."""
    return pack("=BBhI", opcode, src << 4 | dst, offset, immediate & 0xFFFFFFFF)


def load_program(program: bytes, kind: int = BPF_PROG_TYPE_CGROUP_DEVICE) -> int:
    """Have the kernel verify `program` (an array of struct bpf_insn) and return its descriptor.

    Raises OSError; for a program that the verifier refuses its text is the last line of the verifier's log.
    """
    license = b"Dual MIT/GPL"
    # prog_type, insn_cnt, insns, license; then log_level, log_size, log_buf.
    wanted = pack("=IIQQ", kind, len(program) // 8, address(program), address(license))
    try:
        return _bpf("BPF_PROG_LOAD", wanted + pack("=IIQ", 0, 0, 0))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EACCES):
            raise
    # Once more for the verifier's words, which cost time.
    log = array("B", bytes(_LOG_SIZE))
    try:
        return _bpf("BPF_PROG_LOAD", wanted + pack("=IIQ", 1, _LOG_SIZE, log.buffer_info()[0]))
    except OSError as error:
        text = log.tobytes().partition(b"\0")[0].decode(errors="replace")
        lines = [line for line in text.splitlines() if not line.startswith("processed")]
        raise OSError(error.errno, lines[-1] if lines else error.strerror, "BPF_PROG_LOAD") from error


def attached_programs(cgroup: int) -> list[int]:
    """The ids of the device programs attached to the cgroup whose folder is open as `cgroup`."""
    ids = array("I", bytes(4 * _MOST_PROGRAMS))
    # target_fd, attach_type, query_flags, attach_flags, prog_ids, prog_cnt, which the kernel sets, and padding.
    query = array("B", pack("=IIIIQII", cgroup, BPF_CGROUP_DEVICE, 0, 0, ids.buffer_info()[0], _MOST_PROGRAMS, 0))
    _bpf("BPF_PROG_QUERY", query)
    (count,) = unpack_from("=I", query, 24)
    return list(ids[:count])


def attach_device_program(cgroup: int, program: bytes) -> None:
    """Let `program` alone decide on devices for the cgroup whose folder is open as `cgroup`, beside those above it.

    Programs attached before are taken off after it is in force, so that there is no moment without one.
    """
    before = attached_programs(cgroup)
    # The same program cannot be attached twice, with which one that is there already would be replaced by itself.
    descriptor = load_program(program) if before else _loaded(program)
    try:
        # target_fd, attach_bpf_fd, attach_type, attach_flags.
        _bpf("BPF_PROG_ATTACH", pack("=IIII", cgroup, descriptor, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI))
    finally:
        if before:
            os.close(descriptor)
    for id in before:
        _detach(cgroup, id)


# Programs by their instructions, the last used at the end: most containers have the same rules, and to have them
# verified and translated takes the kernel longer than all else about a cgroup.
_programs: dict[bytes, int] = {}
_MOST_KEPT = 8


def _loaded(program: bytes) -> int:
    """A descriptor of `program`, which stays open for the next who wants it; close-on-exec as all of bpf(2)."""
    descriptor = _programs.pop(program, -1)
    if descriptor < 0:
        if len(_programs) >= _MOST_KEPT:
            os.close(_programs.pop(next(iter(_programs))))
        descriptor = load_program(program)
    _programs[program] = descriptor
    return descriptor


def _detach(cgroup: int, id: int) -> None:
    try:
        # prog_id, next_id, open_flags.
        descriptor = _bpf("BPF_PROG_GET_FD_BY_ID", pack("=III", id, 0, 0))
    except FileNotFoundError:
        return  # Somebody else was quicker.
    try:
        _bpf("BPF_PROG_DETACH", pack("=IIII", cgroup, descriptor, BPF_CGROUP_DEVICE, 0))
    finally:
        os.close(descriptor)


def _bpf(command: str, attributes: bytes | array[int]) -> int:
    """bpf(2) with the beginning of a union bpf_attr, in an array where it answers; the rest counts as zeros."""
    place = attributes if isinstance(attributes, bytes) else attributes.buffer_info()[0]
    return syscall("bpf", BPF_COMMANDS[command], place, len(attributes), path=command)
