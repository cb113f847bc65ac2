import marshal
import os
from _socket import AF_UNIX, SOCK_SEQPACKET, socketpair

import pytest

from labkit.errors import LabkitError
from labkit.plan.namespaces import AwaitParent, EnterCgroupNamespace
from labkit.plan.observe import AwaitObserver, observed
from labkit.plan.parent import RecordProcess, Release
from labkit.plan.plan import Plan
from labkit.plan.process import NewSession
from labkit.plan.step import Scene


def plan():
    before, after = (EnterCgroupNamespace(),), (RecordProcess("/x"), Release("its ids are mapped"))
    return Plan("id", ("uts",), before, after, (NewSession(), AwaitParent("its ids are mapped"), NewSession()))


def stops(steps):
    return [step.number for step in steps if isinstance(step, AwaitObserver)]


def test_each_step_but_the_last_is_stopped_after_by_its_number_in_the_table():
    made = observed(plan(), 9)
    numbers = [*stops(made.before), *stops(made.after), *stops(made.child)]
    names = [row[1] for row in plan().rows()]
    assert [names[number - 1] for number in numbers] == [
        "EnterCgroupNamespace",
        "Clone",
        "RecordProcess",
        "NewSession",
        "AwaitParent",
    ]


def test_the_steps_themselves_are_the_same():
    def kept(steps):
        return [step for step in steps if not isinstance(step, AwaitObserver)]

    made = observed(plan(), 9)
    assert kept(made.before) == list(plan().before)
    assert kept(made.after)[:-1] == list(plan().after)
    assert kept(made.child)[1:] == list(plan().child)


def test_the_child_does_nothing_while_its_parent_is_at_work():
    made = observed(plan(), 9)
    assert isinstance(made.child[0], AwaitParent)
    first = next(number for number, step in enumerate(made.after) if isinstance(step, Release))
    assert stops(made.after[first:]) == []
    # A word for each wait.
    assert sum(isinstance(step, Release) for step in made.after) == 2
    assert sum(isinstance(step, AwaitParent) for step in made.child) == 2


@pytest.fixture
def channel():
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_stop_tells_its_number_and_the_pid_and_waits_for_an_answer(channel):
    ours, theirs = channel
    scene = Scene()
    scene.pid = 7
    ours.send(b".")
    AwaitObserver(theirs.fileno(), 3).apply(scene)
    assert marshal.loads(ours.recv(100)) == ("reached", 3, 7)


def test_without_an_observer_there_is_no_going_on(channel):
    ours, theirs = channel
    copy = os.dup(theirs.fileno())
    try:
        ours.shutdown(1)
        with pytest.raises(LabkitError, match="nobody watches"):
            AwaitObserver(copy, 3).apply(Scene())
    finally:
        os.close(copy)
