from labkit.linux.libc import MACHINE
from labkit.nb import seccomp
from labkit.spec.model import Seccomp, SeccompArgument, SeccompRule

KILL = {"x86_64": 62, "aarch64": 129}[MACHINE]
NO_STOP = SeccompArgument(index=1, operator="SCMP_CMP_EQ", value=19)
SIGNALS = Seccomp(
    default_action="SCMP_ACT_ALLOW",
    rules=(SeccompRule(names=("kill",), action="SCMP_ACT_ERRNO", errno=1, arguments=(NO_STOP,)),),
)


def test_the_profiles_are_told_apart_by_how_much_they_allow():
    shown = seccomp.profiles().data
    assert "<td>strict</td>" in shown
    assert "<td>all</td>" in shown


def test_a_difference_by_a_capability():
    shown = seccomp.differences("default", "default", ("one", "other"), ["CAP_SYS_TIME"]).data
    assert "settimeofday" in shown
    assert seccomp.differences("strict", "strict", ("one", "other")).data == "<p>They do the same.</p>"


def test_many_calls_are_cut_short():
    assert "more</td>" in seccomp.differences("default", "strict", ("one", "other")).data


def test_the_compiled_filter_is_printed_with_names(capsys):
    seccomp.compiled(SIGNALS)
    assert "; nr == kill" in capsys.readouterr().out


def test_answers_have_the_calls_name_and_how_many_instructions_they_took():
    shown = seccomp.answers(SIGNALS, [(KILL, (1, 19)), (KILL, (1, 15))]).data
    assert "<td>kill(0x1, 0x13)</td>" in shown
    assert "<td>ERRNO EPERM</td>" in shown
    assert "<td>ALLOW</td>" in shown


def test_the_least_frequent_calls_are_one_row():
    shown = seccomp.calls_table({"read": 9, "write": 5, "close": 2, "open": 1}, most=2).data
    assert "<td>2 others</td>" in shown
    assert "<td>close</td>" not in shown
