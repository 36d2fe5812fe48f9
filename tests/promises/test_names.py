"""Forty names that would script a browser or a report go through every screen; what they would become is noticed."""

import html

import pytest

from benchmarks.promises.hostile_names import LISTED, NAMES, TRACES, fuzzed
from benchmarks.promises.names import PROMISE, Walk
from benchmarks.promises.promise import Allowance
from qdebug.errors import written_out

pytestmark = pytest.mark.flaky(reruns=1)


def test_names_stay_text_on_every_screen_and_in_the_report(chromium):
    assert chromium
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == 40
    assert outcome.figures["names read whole"] == 3 * 40  # layers, the report, a checkpoint
    assert outcome.figures["pages searched"] > 20


BECOMES = (
    ("<img src=x onerror=window.ran=1>", ["an element", "a script ran"]),
    ('<a href="https://names.invalid/x">go</a>', ["a link"]),
    ("<b>qbold</b> and more", ["marked up: qbold"]),
    ("gpj\u202eexe", ["not seen"]),
    ('<span class="katex">x</span>', ["an element"]),
    ('<svg><a xlink:href="javascript:window.ran=1"><text>x</text></a></svg>', ["a link"]),
)


@pytest.mark.parametrize(("content", "found"), BECOMES)
@pytest.mark.parametrize("place", ["page", "component"])
def test_what_a_name_becomes_is_noticed(page, content, found, place):
    page.set_content("<body><div id=here></div></body>")
    page.evaluate(
        """([content, place]) => {
            const here = document.getElementById('here');
            (place === 'page' ? here : here.attachShadow({mode: 'open'})).innerHTML = content;
        }""",
        [content, place],
    )
    page.wait_for_timeout(100)
    traces = page.evaluate(TRACES)
    for one in found:
        assert any(trace.startswith(one) for trace in traces), traces


def test_a_page_that_writes_names_out_has_no_trace(page):
    rows = "".join(f"<tr aria-label='{html.escape(written_out(name))}'><td>x</td></tr>" for name in NAMES)
    text = "".join(f"<p>{html.escape(written_out(name))}</p>" for name in NAMES)
    page.set_content(f"<body>{text}<table><tbody>{rows}</tbody></table></body>")
    assert page.evaluate(TRACES) == []
    assert page.evaluate(LISTED) == [written_out(name) for name in NAMES]


def test_a_name_that_is_not_shown_and_a_host_that_is_asked_are_faults():
    found = Walk(["a", "b\u200b"])
    found.read_all("here", {"a", "b\u200b"})
    found.asked({"127.0.0.1:1", "names.invalid"}, ["it failed"], "127.0.0.1:1")
    assert found.read == 1
    assert [one.partition(":")[0] for one in found.broken] == ["here", "a request to names.invalid",
                                                              "the browser's console"]  # fmt: skip


def test_drawn_names_are_many_and_the_same_for_the_same_seed():
    names = [fuzzed(Allowance(1, seed=7).dice(place)) for place in range(50)]
    assert names == [fuzzed(Allowance(1, seed=7).dice(place)) for place in range(50)]
    assert len(set(names)) > 45
    assert all(name.encode() for name in names)  # a file can hold them
