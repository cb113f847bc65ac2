from labkit.spec.model import Seccomp, SeccompArgument, SeccompRule
from labkit.spec.seccomp_profiles import profile
from labkit.spec.seccomp_table import NO_FILTER, action, condition, difference, rows, settings

ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"


def rule(*names, action=ALLOW, errno=None, arguments=()):
    return SeccompRule(names=names, action=action, errno=errno, arguments=arguments)


def argument(index, operator, value, value_two=0):
    return SeccompArgument(index=index, operator=f"SCMP_CMP_{operator}", value=value, value_two=value_two)


def made(*rules, default=ERRNO, errno=None, **more):
    return Seccomp(default_action=default, default_errno=errno, rules=rules, **more)


def test_rules_alike_are_one_row_and_the_last_is_the_default():
    found = rows(made(rule("read"), rule("mkdir", action=ERRNO, errno=28), rule("write", "read")))
    assert found == [("ALLOW", "", ("read", "write")), ("ERRNO ENOSPC", "", ("mkdir",)), ("ERRNO EPERM", "", ())]


def test_actions_in_words():
    assert action("SCMP_ACT_KILL_PROCESS", None) == "KILL_PROCESS"
    assert action(ERRNO, None) == "ERRNO EPERM"
    assert action(ERRNO, 4000) == "ERRNO 4000"
    assert action("SCMP_ACT_TRACE", 7) == "TRACE 7"


def test_conditions_in_words():
    both = ((0, "SCMP_CMP_EQ", 8, 0), (1, "SCMP_CMP_GE", 16, 0))
    assert condition(both) == "args[0] == 0x8 and args[1] >= 0x10"
    assert condition(((0, "SCMP_CMP_MASKED_EQ", 0xF0, 0x10),)) == "args[0] & 0xf0 == 0x10"
    # Two of one argument are alternatives, as for libseccomp.
    assert condition(((0, "SCMP_CMP_EQ", 1, 0), (0, "SCMP_CMP_EQ", 2, 0))) == "args[0] == 0x1 or args[0] == 0x2"
    assert condition(()) == ""


def test_a_difference_names_calls_by_what_each_profile_does_with_them():
    one = made(rule("read", "write"), rule("socket", arguments=(argument(0, "EQ", 1),)))
    other = made(rule("read", "socket", "mkdir"), rule("write", action="SCMP_ACT_LOG"))
    assert sorted(difference(one, other)) == [
        ("ALLOW", "LOG", ("write",)),
        ("ALLOW when args[0] == 0x1; else ERRNO EPERM", "ALLOW", ("socket",)),
        ("ERRNO EPERM", "ALLOW", ("mkdir",)),
    ]


def test_a_different_default_is_said_first():
    found = difference(made(rule("read")), NO_FILTER)
    assert found == [("ERRNO EPERM", "ALLOW", ("every other call",))]


def test_a_rule_that_says_what_the_default_says_is_no_difference():
    assert difference(made(rule("read"), rule("mkdir", action=ERRNO)), made(rule("read"))) == []


def test_what_holds_for_the_whole_filter():
    found = settings(made(architectures=("SCMP_ARCH_X86",), flags=("SECCOMP_FILTER_FLAG_LOG",)))
    assert found["architectures"] == "the native one, x86"
    assert found["flags"] == "SECCOMP_FILTER_FLAG_LOG"


def test_a_capability_shows_in_the_default_profile():
    found = difference(profile("default", ()), profile("default", ("CAP_SYS_TIME",)))
    assert found == [("ERRNO EPERM", "ALLOW", ("clock_settime", "clock_settime64", "settimeofday", "stime"))]
