"""Writes the file that `launch` begins with: the code of all modules that a verb has loaded.

It is compiled once more for that, without what only a reader or a type checker needs, since to make code objects of a
file takes a tenth of a start: no docstrings, no annotations, no assert, and, as the launcher asks of Python
(`-X no_debug_ranges`), lines but no columns for tracebacks.
"""

from __future__ import annotations

import ast
import marshal
import os
import sys

# importlib's own, as in `launch`.
from _frozen_importlib_external import ExtensionFileLoader, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

    from labkit.oci.launch import Modules

# Instead of the statement, which would load a module of that name only to have an unused word in each other.
_FUTURE = annotations.compiler_flag


def save(path: str, names: Iterable[str], made_by: list[bytes | int]) -> None:
    """Write the code of the loaded modules `names` to the file `path`; nothing is lost where it cannot.

    `made_by` is what `launch` asks for later. `names` are in the order in which they were loaded, as `sys.modules` has
    them.
    """
    temporary = f"{path}.{os.getpid()}"
    try:
        data = marshal.dumps((made_by, _modules([*names])))
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        # A source that was replaced meanwhile, or a folder that cannot be written to.
        if os.path.exists(temporary):
            os.unlink(temporary)


def _modules(names: list[str]) -> Modules:
    # importlib moves a module to the end of `sys.modules` when its code has run: each comes after those that it needs,
    # but for the submodules that a package's own code loads, which are left to importlib.
    modules: Modules = {}
    for name in names:
        parent = name.rpartition(".")[0]
        if name == "__future__" or (parent in names and parent not in modules):
            continue
        spec = getattr(sys.modules[name], "__spec__", None)
        if spec is None or not isinstance(spec.loader, SourceFileLoader | ExtensionFileLoader):
            continue
        about = os.stat(spec.origin)
        package = spec.submodule_search_locations is not None
        extension = isinstance(spec.loader, ExtensionFileLoader)
        code = None if extension else _compiled(spec.loader.get_data(spec.origin), spec.origin, _ours(name))
        modules[name] = (spec.origin, package, about.st_size, about.st_mtime_ns, code)
    return modules


def _ours(name: str) -> bool:
    return name.partition(".")[0] == "labkit"


def _compiled(source: bytes, path: str, ours: bool) -> CodeType:
    tree = ast.parse(source, path)
    postponed = False
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        # Others may have classes that are made of them, such as a NamedTuple.
        elif isinstance(node, ast.ClassDef) and ours:
            node.body = [_unannotated(one) for one in node.body]
        elif isinstance(node, ast.Module):
            kept = [one for one in node.body if not _is_future(one)]
            postponed = len(kept) < len(node.body)
            node.body = kept
    flags = _FUTURE if postponed else 0
    code: CodeType = compile(tree, path, "exec", flags, dont_inherit=True, optimize=2)
    return code


def _unannotated(node: ast.stmt) -> ast.stmt:
    """A statement of a class without its annotation: `x: int = 1` is then `x = 1`, and `x: int` nothing."""
    if not isinstance(node, ast.AnnAssign):
        return node
    return ast.copy_location(ast.Assign([node.target], node.value) if node.value else ast.Pass(), node)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"
