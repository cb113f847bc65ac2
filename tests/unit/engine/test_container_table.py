"""A container as a table in HTML."""

from types import SimpleNamespace

from labkit.engine.display import container_table
from labkit.plan.plan import Plan
from labkit.spec import default
from labkit.spec.model import Cpu, Memory, Namespace, Pids


def container(status="planned", args=("sh", "-c", "echo <b>bold</b>"), **facts):
    spec = default.spec("/images/<one>", args)
    values = {"id": "c1", "pid": 42, "exit_status": None, "reason": None, "plan": Plan("c1", (), (), (), ())}
    return SimpleNamespace(spec=spec, status=status, **values | facts)


def test_the_command_is_escaped_and_its_words_are_told_apart():
    html = container_table(container())
    assert "<code>sh -c &#x27;echo &lt;b&gt;bold&lt;/b&gt;&#x27;</code>" in html
    assert "<code>/images/&lt;one&gt;</code>" in html


def test_a_status_says_what_there_is_to_say():
    assert "<td>planned</td>" in container_table(container())
    assert "<td>paused, pid 42</td>" in container_table(container("paused"))
    assert "<td>stopped</td>" in container_table(container("stopped"))
    killed = container("stopped", exit_status=137, reason="killed: out of memory")
    assert "<td>stopped with status 137: killed: out of memory</td>" in container_table(killed)


def test_limits_are_in_words():
    limited = container()
    assert "<td>none</td>" in container_table(limited)
    limited.spec.linux.resources.memory = Memory(limit=64 * 2**20)
    limited.spec.linux.resources.cpu = Cpu(quota=50_000, period=100_000)
    limited.spec.linux.resources.pids = Pids(limit=32)
    assert "<td>memory 64 MiB, 0.5 CPUs, 32 processes and threads</td>" in container_table(limited)


def test_a_joined_namespace_names_its_path():
    joined = container()
    joined.spec.linux.namespaces = (Namespace(kind="pid"), Namespace(kind="network", path="/run/netns/a&b"))
    assert "<td>pid, network of /run/netns/a&amp;b</td>" in container_table(joined)


def test_notes_of_the_plan_are_shown():
    noted = container(plan=Plan("c1", (), (), (), (), ("no <limit>",)))
    assert '<th scope="row">note</th><td>no &lt;limit&gt;</td>' in container_table(noted)
