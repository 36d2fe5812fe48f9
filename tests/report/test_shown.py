"""Values show themselves in a terminal and in a notebook: short, escaped, and without what moves a cursor."""

from html.parser import HTMLParser

import msgspec
import pytest

from qdebug.report.shown import WIDTH, as_html, as_text, install
from qdebug.report.views import MOST, View
from qdebug.results import Evaluation, Result, Sensitivity
from qdebug.results.base import show_as
from tests.figures.compared import comparison, difference
from tests.figures.values import sensitivity, sensitivity_row
from tests.report import values
from tests.report.test_diff import diff, layer

install()


def sensitive(layer_name="a", formats=("w8a8", "w4a8")):
    rows = [
        sensitivity_row(name, form, 0.1 * (1 + at)) for form in formats for at, name in enumerate((layer_name, "b"))
    ]
    return msgspec.structs.replace(sensitivity(*rows), formats=tuple(formats))


def compared(name):
    return comparison(difference(0.5, 0.9, ci95=(0.3, 0.5), p=0.001), layers=(layer(name, 5.0, 9.0),))


SHOWN = {
    "model": (lambda name: values.info(name=name, title="", layers=(name, "b")), "2 layers, 1,234 parameters"),
    "evaluation": (lambda name: values.report(name).evaluation, "accuracy 50.0 %, 99.0 % in float"),
    "sensitivity": (sensitive, "w4a8"),
    "diagnosis": (values.diagnosis, "cross-layer equalization"),
    "comparison": (compared, "B is better"),
    "report": (values.report, "1 of 2 layers causes 80 % of the damage"),
    "diff": (diff, "B is better"),
}  # fmt: skip


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("kind", SHOWN)
def test_it_says_the_finding_and_fits_a_terminal(kind):
    make, words = SHOWN[kind]
    text = repr(make("a"))
    assert words in text.replace("\u00a0", " ")
    assert str(make("a")) == text
    assert max(map(len, text.splitlines())) <= WIDTH
    assert len(text.splitlines()) < 30


@pytest.mark.parametrize("kind", SHOWN)
def test_in_a_notebook_it_says_the_same_without_a_script(kind):
    make, words = SHOWN[kind]
    page = make("a")._repr_html_()
    found = Tags(page)
    assert words in "".join(found.words).replace("\u00a0", " ")
    assert {tag for tag, _ in found.tags} <= {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert {name for _, names in found.tags for name in names} <= {"style", "scope"}
    assert len(page) < 10_000


@pytest.mark.parametrize("kind", SHOWN)
def test_a_name_stays_a_name(kind):
    make, _ = SHOWN[kind]
    nasty = values.NASTY + "\x1b[2J\u202e"
    assert Tags(make(nasty)._repr_html_()).tags == Tags(make("a")._repr_html_()).tags
    text = repr(make(nasty))
    assert not {"\x1b", "\u202e", "\u2028"} & set(text)


def test_long_tables_are_cut_and_say_so():
    found = sensitivity(*(sensitivity_row(f"layer{at}", "w8a8", float(at)) for at in range(40)))
    found = msgspec.structs.replace(found, formats=("w8a8",))
    text = repr(found)
    assert "layer39" in text
    assert "layer0 " not in text
    assert f"… and {40 - MOST} more" in text
    assert f"… and {40 - MOST} more" in found._repr_html_()


def test_columns_that_do_not_fit_are_left_out_of_text_but_not_of_pages():
    head = ("layer", *(f"format{at}" for at in range(40)))
    view = View("Wide", (), head, (("a", *("1.00" for _ in range(40))),))
    assert max(map(len, as_text(view).splitlines())) <= WIDTH
    assert "format39" in as_html(view)


def test_the_most_harmful_layer_comes_first():
    lines = repr(sensitive()).splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["b", "a"]


def test_a_kind_of_which_nothing_is_said_shows_its_fields():
    class Bare(Result, frozen=True, kw_only=True):
        value: int

    assert repr(Bare(value=3)).endswith("Bare(value=3)")
    assert Bare(value=3)._repr_html_() is None
    show_as(Bare, lambda one: f"text {one.value}", lambda one: f"<p>{one.value}</p>")
    assert (repr(Bare(value=3)), Bare(value=3)._repr_html_()) == ("text 3", "<p>3</p>")


def test_what_is_shown_changes_nothing_of_what_is_sent():
    for value, kind in ((values.report().evaluation, Evaluation), (sensitive(), Sensitivity)):
        assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value
