"""Starts `labkit-oci` from one file that has the code of all modules a verb needs.

To find, check and read a hundred modules takes Python as long as the kernel needs for a container. So the first run of
a verb leaves their code in one file beside the compiled modules (see `image`), and later runs begin with it, in the
order in which they were loaded, as a linker would have it. It is used only while it is from this very
Python, and each source, and what made it, has the size and the time that it had.
"""

import marshal

# As in labkit.linux.os, which would have to be loaded.
import posix
import sys

# importlib's own, at hand in every process; `importlib` itself would have to be loaded.
from _frozen_importlib import ModuleSpec, _load  # type: ignore[attr-defined]
from _frozen_importlib_external import MAGIC_NUMBER, ExtensionFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import NoReturn

    # By name: (path, whether it is a package, size, time of change in ns, code or None for one that is not Python).
    Modules = dict[str, tuple[str, bool, int, int, CodeType | None]]

# What every process has by now; but for the packages of this module, which the launcher runs without loading them.
_BEFORE = {*sys.modules, __name__} - {"labkit", "labkit.oci"}
# Whether no module of labkit was loaded before this one: it would be missing among those that are saved.
_FIRST = not any(name.startswith("labkit.") and name != __name__ for name in _BEFORE)
_HERE = __file__.rpartition("/")[0]


def main() -> "NoReturn":
    """Run `labkit-oci …` and end the process."""
    # The launcher begins with the distribution's, whatever labkit was installed with.
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"labkit-oci: needs Python 3.11 or newer: name one in the first line of {sys.argv[0]}")
    path = _path(sys.argv[1:])
    if "/labkit-oci.exec." in path:
        # First of all: who is in the container already could get hold of the program that enters it.
        from labkit.linux.interpreter import run_unwritable

        run_unwritable()
    modules = load(path)
    begin(modules)
    from labkit.oci.main import run

    status = run(sys.argv[1:])
    # Where the interpreter looked through site packages, there are modules that no verb needs.
    if not modules and _FIRST and sys.flags.no_site:
        loaded = [name for name in sys.modules if name not in _BEFORE]
        from labkit.oci.image import save

        save(path, loaded, maker())
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = status or 141
    # Everything is undone and flushed: tearing the interpreter down as well takes longer than a verb.
    posix._exit(status)


def _path(words: "Iterable[str]") -> str:
    """The file for the verb in these words; which word is the verb need not be known for sure."""
    files = ((word, f"{_HERE}/{word}.py") for word in words if word.isidentifier())
    verb = next((word for word, file in files if posix.access(file, posix.R_OK)), "none")
    return f"{_HERE}/__pycache__/labkit-oci.{verb}.{sys.implementation.cache_tag}.image"


def load(path: str) -> "Modules":
    """The modules in the file `path`; none where it is missing, of another Python, or older than a source."""
    try:
        with open(path, "rb") as file:
            magic, modules = marshal.loads(file.read())
        if magic != maker():
            return {}
        for source, _, size, changed, _ in modules.values():
            found = posix.stat(source)
            if found.st_size != size or found.st_mtime_ns != changed:
                return {}
        return dict(modules)
    except (OSError, ValueError, EOFError, TypeError):
        return {}


def maker() -> "list[bytes | int]":
    """What such a file is made by and for: this Python, this module and `image`, which may not be among its modules."""
    made: list[bytes | int] = [MAGIC_NUMBER]
    for name in ("launch", "image"):
        about = posix.stat(f"{_HERE}/{name}.py")
        made += (about.st_size, about.st_mtime_ns)
    return made


def begin(modules: "Modules") -> None:
    """Put `modules` into `sys.modules` and run their code; what one needs besides is found and loaded as ever.

    importlib would take longer to find the place of each than its code takes to run.
    """
    new = type(sys)
    for name, (source, is_package, _, _, code) in modules.items():
        if name in sys.modules:
            continue
        if code is None:
            _load(ModuleSpec(name, ExtensionFileLoader(name, source), origin=source))
            continue
        module = sys.modules[name] = new(name)
        module.__file__ = source
        parent, _, last = name.rpartition(".")
        module.__package__ = name if is_package else parent
        if is_package:
            module.__path__ = [source.rpartition("/")[0]]
        exec(code, module.__dict__)
        if parent:
            setattr(sys.modules[parent], last, module)


if __name__ == "__main__":
    main()
