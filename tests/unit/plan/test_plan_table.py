"""A plan, and a container, as tables in HTML."""

from html.parser import HTMLParser

import pytest

from labkit.plan.display import escape, framed
from labkit.plan.plan import Plan
from labkit.plan.step import Step

EVIL = "<script>alert('x')</script> & \"quoted\" \x1b[31m \udcff"


class Evil(Step):
    __slots__ = ()
    call = f"call {EVIL}"
    why = f"why {EVIL}"

    def describe(self):
        return f"what {EVIL}"


class Tables(HTMLParser):
    """Notes each tag, that tags are closed in order, and the cells' text by row."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.rows = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if set(self.open) & {"td", "th"}:
            self.rows[-1][-1] += data


@pytest.fixture
def plan():
    return Plan("an<id>", ("pid",), (Evil(),), (), (Evil(), Evil()), (f"note {EVIL}",))


def test_a_plan_is_a_row_for_each_step(plan):
    table = Tables(plan._repr_html_())
    assert table.open == []
    assert table.rows[0] == ["number", "who", "step", "what", "system call", "why"]
    assert [row[:3] for row in table.rows[1:]] == [
        ["1", "parent", "Evil"], ["2", "parent", "Clone"], ["3", "child", "Evil"], ["4", "child", "Evil"],
    ]  # fmt: skip
    assert table.rows[2][3:5] == ["clone the container's process into new namespaces: pid", "clone3"]


def test_nothing_in_a_plan_is_taken_for_html(plan):
    html = plan._repr_html_()
    assert "<script" not in html
    assert "\x1b" not in html
    assert html.encode("utf-8")
    shown = EVIL.replace("\x1b", "\\x1b").replace("\udcff", "\\udcff")
    assert Tables(html).rows[1][3:] == [f"what {shown}", f"call {shown}", f"why {shown}"]


def test_a_table_has_what_a_screen_reader_needs(plan):
    tags = Tables(plan._repr_html_()).tags
    region = next(attributes for tag, attributes in tags if tag == "div")
    assert (region["role"], region["tabindex"], region["aria-label"]) == ("region", "0", "Plan of container an<id>")
    assert [tag for tag, _ in tags].count("caption") == 1
    scopes = [attributes.get("scope") for tag, attributes in tags if tag == "th"]
    assert scopes == ["col"] * 6 + ["row"] * 4


def test_lines_and_printable_characters_stay_as_they_are():
    assert escape("é ✓\nnext") == "é ✓\nnext"
    assert "<caption>a &lt;b&gt;</caption>" in framed("a <b>", [])


def test_the_repr_of_a_plan_is_one_line(plan):
    assert repr(plan) == "<Plan of an<id>: 4 steps>"
