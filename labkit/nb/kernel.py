"""A Jupyter kernel that is this very interpreter, whatever kernels the machine has, and that writes nowhere else."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kernel:
    """The name that Jupyter knows the kernel by, how to reach it, and what kernels wrote to stderr (not their cells).

    `config` is for traitlets. It asks for Unix sockets in a folder of our own: every user of the machine could connect
    to a TCP port.
    """

    name: str
    config: dict[str, dict[str, str]]
    log: Path

    def config_of(self, name: str) -> dict[str, dict[str, str]]:
        """The configuration with sockets of this name: two kernels that start at once would choose the same."""
        manager = self.config["KernelManager"]
        return {"KernelManager": manager | {"ip": f"{manager['ip']}-{name[:20]}"}}


@contextmanager
def own_kernel() -> Iterator[Kernel]:
    """Have a kernel that runs sys.executable; its settings, sockets and temporary files are in a folder that goes away.

    Jupyter looks its folders up in the environment, which is therefore changed within the block: two threads must not
    be in it at once.
    """
    # Not in the run's folder: a socket's path must be below 108 characters (unix(7)).
    with tempfile.TemporaryDirectory(prefix="labkit-kernel-") as scratch:
        places = {
            "JUPYTER_PATH": f"{scratch}/share",
            "JUPYTER_DATA_DIR": f"{scratch}/share",
            "JUPYTER_CONFIG_DIR": f"{scratch}/config",
            "JUPYTER_RUNTIME_DIR": f"{scratch}/runtime",
            "IPYTHONDIR": f"{scratch}/ipython",
        }
        for place in {*places.values()}:
            Path(place).mkdir(mode=0o700)
        # Temporary files of a kernel that is killed go with the folder. An image among them must be in reach of the
        # root user of a user namespace, who is nobody in particular here.
        os.chmod(scratch, 0o711)
        Path(scratch, "tmp").mkdir()
        config = {"KernelManager": {"transport": "ipc", "ip": f"{scratch}/runtime/kernel"}}
        kernel = Kernel("labkit", config, Path(scratch, "stderr"))
        # What a kernel says on stderr is for developers of kernels, and comes at every Ctrl-C.
        quiet = ["/bin/sh", "-c", 'exec "$@" 2>>"$0"', str(kernel.log)]
        specification = {
            "argv": [*quiet, sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Python (labkit)",
            "language": "python",
            "env": {"TMPDIR": f"{scratch}/tmp"},
        }
        folder = Path(scratch, "share", "kernels", kernel.name)
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(json.dumps(specification))
        # The debugger's warning about frozen modules would stand in the log before what matters.
        with _environment({**places, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}):
            yield kernel


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
