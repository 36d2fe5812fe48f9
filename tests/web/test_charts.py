"""What every chart of the app has beside it: why it matters, and the lesson that tells more."""

import ast
from pathlib import Path

import pytest

import qdebug
from qdebug.classroom.content import ORDER
from qdebug.figures.whys import WHYS, why
from qdebug.web.core.chart import why_html

WEB = Path(qdebug.__file__).parent / "web"


def keys_of(path):
    """What the keys of a file's charts begin with; a variable's, by what it is set to there."""
    tree = ast.parse(path.read_text("utf-8"))
    named = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        is_chart = isinstance(node, ast.Call) and ast.unparse(node.func) == "chart.show"
        if is_chart and (key := head_of(named.get(ast.unparse(node.args[1]), node.args[1]))):
            yield key


def head_of(node):
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


CHARTS = sorted({key for path in WEB.rglob("*.py") if path.parent.name != "lessons" for key in keys_of(path)})


def test_the_charts_are_found():
    assert len(CHARTS) > 20


@pytest.mark.parametrize("key", CHARTS)
def test_every_chart_says_why_it_matters(key):
    assert why(key) is not None


def test_no_reason_stands_there_for_a_chart_that_is_no_more():
    known = {*CHARTS, "depth", "agreement"}  # these are handed on by a function
    assert {head for head in WHYS if not any(key.startswith(head) for key in known)} == set()


def test_a_reason_leads_to_its_lesson_where_there_is_one():
    lessons = {slug for _, slug in WHYS.values()}
    assert lessons
    for slug in lessons & set(ORDER):
        assert f'href="lesson-{slug}"' in "".join(why_html(key) for key in WHYS)
    assert why_html("lesson-affine-tensor") == ""
