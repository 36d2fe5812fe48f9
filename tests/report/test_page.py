"""A report's page: every section or that there is none, the same data as the JSON, and no way in for a name."""

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

from qdebug.errors import written_out
from qdebug.report.charts import charts
from qdebug.report.page import cure, page
from qdebug.report.render import _DRAWN
from tests.report import values

SECTIONS = ("damage", "causes", "fixes", "worst", "groups", "runtime", "layers", "recipe", "origin")
_HEX = re.compile(r"#[0-9a-fA-F]{6}\b")


class Parts(HTMLParser):
    """Tags with their attributes, the text outside scripts, and each script's content."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.scripts, self.words, self._in = [], {}, [], None
        self.feed(text)
        self.text = " ".join(" ".join(self.words).replace("\u00a0", " ").split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._in = dict(attrs).get("id") or f"{tag} {len(self.tags)}"

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._in = None

    def handle_data(self, data):
        if self._in:
            self.scripts[self._in] = self.scripts.get(self._in, "") + data
        else:
            self.words.append(data)

    def ids(self):
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]


@pytest.fixture(scope="module")
def parts():
    return Parts(page(values.report()))


def test_every_section_is_there_and_named_in_the_contents(parts):
    assert [one for one in parts.ids() if one in SECTIONS] == list(SECTIONS)
    assert [attrs["href"] for tag, attrs in parts.tags if tag == "a"] == [f"#{one}" for one in SECTIONS]


@pytest.mark.parametrize(
    "words",
    [
        "1 of 2 layers causes 80 % of the damage.",
        "Worst is a; it is uneven.",
        "With cross-layer equalization, accuracy goes from 50.0 % to 98.0 %.",
        "Weight ranges uneven between channels",
        "widest channel over the median 48.0×",
        "cross-layer equalization 50.0 % 98.0 % 90.0 % best",
        "ranges at run time in 1 layer 50.0 % – – does not run",
        "no fix 20.0 %",
        "Cross-layer equalization cle 50.0 %",
        "group night 50 90.0 % 50.0 %",
        "ONNX Runtime",
        "weights int8, one scale for the whole tensor, symmetric, range by min–max",
        "version: 1",
        "d1d2d3d4",
        "540 samples, val.npz",
        "cd" * 16,
        "Made 2026-01-02 03:04 UTC",
    ],
)
def test_the_page_says(parts, words):
    assert words in parts.text


@pytest.mark.parametrize(
    "words",
    [
        "Causes were not looked for.",
        "The recipe has no fix.",
        "No layer makes an error to speak of.",
        "The data name no two classes or groups.",
        "Not held against a runtime: the runtime is not installed.",
    ],
)
def test_what_is_missing_is_said_to_be(words):
    found = Parts(page(values.bare()))
    assert words in found.text
    assert [one for one in found.ids() if one in SECTIONS] == list(SECTIONS)


def test_evidence_of_nothing_is_left_out(parts):
    assert "values clipped 0" not in parts.text


def test_the_page_holds_what_the_json_file_holds(parts):
    report = values.report()
    assert json.loads(parts.scripts["report"]) == json.loads(msgspec.json.encode(report))
    assert msgspec.json.decode(parts.scripts["report"], type=type(report)) == report


def test_every_chart_has_its_place_and_its_finding(parts):
    drawn = charts(values.report())
    places = {attrs["data-chart"] for _, attrs in parts.tags if "data-chart" in attrs}
    assert places == drawn.keys() == json.loads(parts.scripts["figures"]).keys()
    titles = [" ".join(html.unescape(one.layout.title.text).replace("\u00a0", " ").split()) for one in drawn.values()]
    assert all(title and title in parts.text for title in titles)


def test_equal_reports_are_equal_pages():
    assert page(values.report()) == page(values.report())


def test_pages_differ_by_their_date_alone():
    early, late = (page(values.report(made=f"2026-01-0{day}T03:04:05+00:00")) for day in (2, 3))
    assert early != late
    assert early.replace("2026-01-02", "2026-01-03") == late


def test_a_name_stays_a_name():
    plain, nasty = page(values.report()), page(values.report(values.NASTY, group_name=values.NASTY))
    before, after = Parts(plain), Parts(nasty)
    assert [tag for tag, _ in after.tags] == [tag for tag, _ in before.tags]
    assert all(name not in attrs for _, attrs in after.tags for name in ("onerror", "onload", "src"))
    assert "\u2028" not in "".join(after.scripts.values()).replace(after.scripts[_plotly(after)], "")
    assert json.loads(after.scripts["report"])["worst"][0]["name"] == values.NASTY
    assert any(attrs.get("title") == written_out(values.NASTY) for _, attrs in after.tags)
    assert "{{ 7*7 }}" in after.text
    assert " 49 " not in after.text


def test_a_name_in_a_chart_is_text_for_plotly_too():
    figures = json.loads(Parts(page(values.report("<b>bold</b>"))).scripts["figures"])
    ticks = figures["shares"]["layout"]["yaxis"]["ticktext"]
    assert html.escape("<b>bold</b>", quote=False) in ticks
    assert "<b>bold</b>" not in ticks


def _plotly(parts):
    return max(parts.scripts, key=lambda name: len(parts.scripts[name]))


def test_the_policy_names_both_scripts_and_no_host(parts):
    policy = next(attrs["content"] for _, attrs in parts.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    run = [text for name, text in parts.scripts.items() if name.startswith("script ")]
    assert len(run) == 2
    for text in run:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    script_rule = policy.split("script-src")[1].split(";")[0]
    assert "unsafe" not in script_rule
    assert "http" not in policy


def test_plotly_is_there_once_and_nothing_is_loaded(parts):
    assert sum("plotly.js v" in text for text in parts.scripts.values()) == 1
    assert [attrs for tag, attrs in parts.tags if tag in ("link", "img", "iframe") or "src" in attrs] == []


def test_every_colour_of_a_chart_has_one_for_dark_ground(parts):
    known = {tone.light.lower(): tone.dark for tone in _DRAWN}
    assert json.loads(parts.scripts["darker"]) == known
    used = {one.lower() for one in _HEX.findall(parts.scripts["figures"])}
    assert used <= known.keys()


def test_no_light_colour_stands_for_two_dark_ones():
    pairs = {(tone.light.lower(), tone.dark) for tone in _DRAWN}
    assert len({light for light, _ in pairs}) == len(pairs)


def test_a_mended_network_s_report_tells_what_was_wrong_with_it():
    text = Parts(page(values.report())).text
    assert "Without them: Accuracy is 50 %." in text
    assert "The weight ranges of b are uneven." in text
    assert "Without them" not in Parts(page(msgspec.structs.replace(values.report(), mended=None))).text


def test_a_cure_is_promised_only_where_it_was_measured():
    found = values.diagnosis()
    assert cure(None) == ""
    cause = msgspec.structs.replace(found.causes[0], fix=None, metric_after=None)
    assert cure(msgspec.structs.replace(found, causes=(cause,))) == ""
    same = msgspec.structs.replace(found.causes[0], metric_after=0.5)
    assert cure(msgspec.structs.replace(found, causes=(same,))) == ""


def test_an_output_without_classes_is_told_by_its_error():
    full = values.report()
    metric = msgspec.structs.replace(full.evaluation.metric, name="sqnr_db", quantized=30.0, predictions=0, flips=0)
    evaluation = msgspec.structs.replace(full.evaluation, metric=metric, groups=())
    text = Parts(page(msgspec.structs.replace(full, evaluation=evaluation, diagnosis=None, mended=None, steps=()))).text
    assert "error 3.16 % of the float output" in text
    assert "change" not in text.split("Where the")[0]
