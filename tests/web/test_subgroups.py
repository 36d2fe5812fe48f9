"""The overview's line and table of classes and groups."""

from qdebug.web.overview.subgroups import line_html, table_html
from tests.figures.test_subgroups import overall, row
from tests.web.conftest import html


def found(*rows):
    from qdebug.results import Subgroups

    return Subgroups(recipe="r", overall=overall(), rows=rows, seconds=0.1)


def test_the_line_has_the_mark_of_trouble_only_where_there_is_some():
    assert line_html(found(row("7", -0.062, p=0.01), row("8", 0.0))).startswith(
        '<p class="q-lead q-bad">Class 7 lost 6.20'
    )
    assert line_html(found(row("7", -0.062), row("8", 0.0))).startswith('<p class="q-lead">No class lost more')


def test_the_table_has_every_row_worst_first_and_escapes_names():
    text = table_html(found(row("8", 0.0), row("<script>", -0.062, p=0.01)))
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert text.index("&lt;script&gt;") < text.index("<td>8</td>" if "<td>8</td>" in text else ">8<")
    assert "◆ −6.20" in text
    assert "0.0100" in text


def test_the_overview_says_who_pays_and_shows_every_class(app):
    text = html(app)
    assert "more than chance explains among 10 classes" in text
    assert "with 95 % confidence not one of all rows is marked by chance alone" in text
    assert text.count("<tr>") >= 11
