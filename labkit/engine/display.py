"""A container as a table in HTML, for a notebook and the site."""

from __future__ import annotations

from labkit.cgroups.events import amount
from labkit.plan.display import code, escape, framed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.engine.container import Container
    from labkit.spec.model import Resources, Spec


def container_table(container: Container) -> str:
    """What the container is and how it fares, a row each."""
    spec = container.spec
    user = spec.process.user
    facts = [
        ("status", _status(container)),
        ("command", code(" ".join(_word(word) for word in spec.process.args))),
        ("root filesystem", code(spec.root.path)),
        ("user", f"uid {user.uid}, gid {user.gid}"),
        ("limits", escape(_limits(spec.linux.resources))),
        ("namespaces", escape(_namespaces(spec))),
        ("plan", f"{len(container.plan.rows())} steps"),
        *(("note", escape(note)) for note in container.plan.notes),
    ]
    rows = [f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in facts]
    return framed(f"Container {container.id}", ["<tbody>", *rows, "</tbody>"])


def _status(container: Container) -> str:
    status = container.status
    if status == "planned":
        return status
    if status != "stopped":
        return f"{status}, pid {container.pid}"
    ended = "" if container.exit_status is None else f" with status {container.exit_status}"
    return escape(f"stopped{ended}" + (f": {container.reason}" if container.reason else ""))


def _word(word: str) -> str:
    """As Python writes it where it is not one plain word."""
    return word if word and not any(character.isspace() or character in "'\"\\" for character in word) else repr(word)


def _limits(resources: Resources) -> str:
    said = []
    memory, cpu, pids = resources.memory.limit, resources.cpu, resources.pids
    if memory is not None and memory > 0:
        said.append(f"memory {amount(memory)}")
    if cpu.quota is not None and cpu.quota > 0:
        said.append(f"{cpu.quota / (cpu.period or 100_000):g} CPUs")
    if pids is not None and pids.limit > 0:
        said.append(f"{pids.limit} processes and threads")
    return ", ".join(said) or "none"


def _namespaces(spec: Spec) -> str:
    own = [namespace.kind for namespace in spec.linux.namespaces if not namespace.path]
    joined = [f"{namespace.kind} of {namespace.path}" for namespace in spec.linux.namespaces if namespace.path]
    return ", ".join([*own, *joined]) or "none of its own"
