"""Create and start a container that outlives its maker: ID ROOTFS SHARED [STEP left out]. Errors go to stderr."""

import sys

from labkit.engine import lifecycle, state
from labkit.engine.configure import configure
from labkit.engine.create import create
from labkit.engine.prepare import prepare
from labkit.errors import LabkitError
from labkit.plan.manner import Manner

id, rootfs, shared, *without = sys.argv[1:]
spec = configure(rootfs, ["innocent"], volumes=[f"{shared}:/shared"])
try:
    create(prepare(spec, id, Manner(left=True, held=True)).without(without))
    lifecycle.start(state.load(id, state.root()))
except LabkitError as error:
    sys.exit(error.message)
