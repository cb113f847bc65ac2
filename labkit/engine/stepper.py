"""The process that makes one container step by step, for an observer at the other end of a socket.

It is one for each, and not the spawner: it stands still between two steps, as the parent of the container. A message
with the plan comes first; then each step's stop (see plan.observe) is told and answered. At the end comes
("started", pid) when the program runs, then ("exited", status), or ("failed", …) as of the spawner.
"""

from __future__ import annotations

import os
import select
import sys
from _socket import socket

from labkit.engine import sync
from labkit.engine.parent import life
from labkit.engine.spawner import failure
from labkit.errors import LabkitError
from labkit.linux import kernel
from labkit.plan.observe import observed
from labkit.plan.plan import Plan


def main(number: int) -> None:
    """Make the container of the plan that comes over the socket `number`, and report on it there."""
    channel = socket(fileno=number)
    # Inherited once: no hook is to have it.
    os.set_inheritable(number, False)
    os.chdir("/")
    try:
        message, _ = sync.receive(channel)
        plan = observed(Plan.decode(message[1]), number)
        steps = life(plan, (0, 1, 2), lambda pid, pidfd: sync.send(channel, ("started", pid)), kernel)
        try:
            descriptor = next(steps)
            # Without an observer there is no container: closing its end ends it.
            while not _hung_up(number, descriptor):
                descriptor = next(steps)
        except StopIteration as end:
            sync.send(channel, ("exited", end.value))
        except LabkitError as error:
            sync.send(channel, ("failed", *failure(error)))
        finally:
            steps.close()
    except sync.Dead:
        pass


def _hung_up(channel: int, descriptor: int) -> bool:
    """Wait for what `life` waits for, or for the observer to close its end; says whether it has."""
    poll = select.poll()
    poll.register(channel, 0)
    poll.register(descriptor, select.POLLIN)
    ready = [number for number, _ in poll.poll()]
    return channel in ready and descriptor not in ready


if __name__ == "__main__":
    main(int(sys.argv[1]))
