"""Which modules a kernel needs for a device or filesystem, and in which order they are loaded.

Source: modules.dep(5), modules.builtin(5).
"""

from __future__ import annotations

import os

from labkit.errors import LabkitError
from labkit.vm.kernel import Kernel


def in_order(kernel: Kernel, names: tuple[str, ...]) -> list[str]:
    """The files of the named modules and of those they depend on, each after what it depends on.

    A name that is built into the kernel needs no file. Raises LabkitError for one that the kernel does not have.
    """
    files = dependencies(_read(kernel, "modules.dep"))
    of_name = {name_of(file): file for file in files}
    built_in = {name_of(file) for file in _read(kernel, "modules.builtin").splitlines()}
    ordered: list[str] = []
    for name in names:
        if name in of_name:
            # modules.dep lists what is to be loaded first last.
            wanted = [*reversed(files[of_name[name]]), of_name[name]]
            ordered += [file for file in wanted if file not in ordered]
        elif name not in built_in:
            raise LabkitError(
                f"kernel {kernel.release} has no module {name}", f"{kernel.modules or '/lib/modules'} lacks it"
            )
    return [f"{kernel.modules}/{file}" for file in ordered]


def dependencies(text: str) -> dict[str, list[str]]:
    """modules.dep as file -> all the files it needs, both relative to the folder of modules."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {file: needed.split() for file, colon, needed in pairs if colon}


def name_of(file: str) -> str:
    """A module's name as the kernel says it: virtio_pci for kernel/drivers/virtio/virtio_pci.ko.xz."""
    return os.path.basename(file).partition(".ko")[0].replace("-", "_")


def _read(kernel: Kernel, name: str) -> str:
    if not kernel.modules:
        hint = f"they belong into /lib/modules/{kernel.release}, or lib/modules/{kernel.release} beside its folder"
        raise LabkitError(f"there are no modules for kernel {kernel.release}", hint)
    try:
        with open(f"{kernel.modules}/{name}", encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise LabkitError(f"{error.filename}: {error.strerror}", f"sudo depmod {kernel.release}") from error
