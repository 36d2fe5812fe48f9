"""Markup that we write ourselves: numbers in it, and nothing of a stranger's unescaped."""

import pytest

from qdebug.errors import RecipeError
from qdebug.recipes import preset
from qdebug.results import FixCard, FixSite, Verdict
from qdebug.web.core import problem, words
from qdebug.web.fixes import fix_cards, fix_scores
from qdebug.web.layers import cure, detail
from qdebug.web.overview import screen
from qdebug.web.shell import sidebar, strip
from tests.figures import values as drawn
from tests.web.values import model

EVIL = "<img src=x onerror=alert(1)>"


def plain(text):
    return text.replace("\u00a0", " ")


def test_the_strip_says_everything():
    text = plain(strip.strip_html(drawn.score(0.1, float_=0.99), fresh=True))
    for part in ("float accuracy", "99.0 %", "10.0 %", "9.00 – 11.0", "◆ −89.0", "points · 5 flips", "4.0× smaller",
                 "8.00 bits", "exact", "0.20 s", "540 samples"):  # fmt: skip
        assert part in text, part
    assert "q-bad" in text
    assert "all parameters" in text  # what a report calls them
    assert "measured on all evaluation data" in text


def test_a_change_within_the_interval_is_no_trouble():
    text = strip.strip_html(drawn.score(0.985, ci=(-0.01, 0.002)), fresh=True)
    assert "q-bad" not in text
    assert "◆" not in text


@pytest.mark.parametrize(("interval", "loss"), [((0.1, 0.3), True), ((-0.1, 0.3), False), ((-0.3, -0.1), False)])
def test_perplexity_is_lost_upwards(interval, loss):
    assert (
        strip.significant_loss(drawn.score(4.2, float_=4.0, name="perplexity", higher=False, ci=interval).metric)
        is loss
    )


@pytest.mark.parametrize(("decibels", "bad", "part"), [(30.5, False, "2.99 %"), (12.0, True, "25.1 %")])
def test_outputs_without_labels_have_an_error_and_no_change_from_nothing(decibels, bad, part):
    found = drawn.score(decibels, float_=150.0, name="sqnr_db", ci=(decibels - 151, decibels - 149))
    text = plain(strip.strip_html(found, fresh=True))
    assert "output error" in text
    assert part in text
    assert "flip" not in text
    assert ("q-bad" in text, "◆" in text) == (bad, bad)
    table = plain(fix_scores.scores_html(found, found))
    assert part in table
    assert "flips" not in table


def test_an_old_score_does_not_call_itself_exact():
    assert "exact" not in strip.strip_html(drawn.score(), fresh=False)


def test_strangers_names_stay_text():
    layer = drawn.detail()
    named = type(layer)(
        **{name: getattr(layer, name) for name in layer.__struct_fields__} | {"name": EVIL, "text": EVIL}
    )
    site = FixSite(layers=(EVIL,), refused=EVIL)
    card = FixCard(
        method="cle", title=EVIL, about=EVIL, cures=EVIL, source=EVIL, stage="equivalent", pace="live", sites=(site,),
        replaces=(EVIL,),
    )  # fmt: skip
    info = model(name=EVIL, title=EVIL, story=EVIL, calibration=EVIL, not_understood=(EVIL,))
    pieces = [
        detail.head_html(named),
        screen.verdict_html(Verdict(text=f"worst: {EVIL}", worst=(EVIL,), healthy=False)),
        screen.story_html(info),
        sidebar.data_html(info),
        sidebar.pill_html(words.Pill(EVIL)),
        fix_cards.head_html(card),
        fix_cards.sites_html(card),
        cure.cure_html(cure.Cure(EVIL, EVIL, preset("w8a8"), drawn.score())),
        problem.problem_html(RecipeError(EVIL, do=EVIL, layer=EVIL)),
    ]
    for piece in pieces:
        assert "<img" not in piece
        assert "&lt;img" in piece


def test_an_error_says_what_where_and_what_to_do():
    text = problem.problem_html(RecipeError("No layer 'heed'", do="Did you mean head?", file="a.yaml"))
    for part in ("No layer &#x27;heed&#x27;", "<dt>file</dt><dd>a.yaml</dd>", "Did you mean head?", 'role="alert"'):
        assert part in text


def test_the_verdict_sets_names_apart():
    found = screen.verdict_html(Verdict(text="worst: a.dw, 48×", worst=("a.dw",), healthy=False))
    assert '<code class="q-name">a.dw</code>' in found
    assert "q-bad" in found
    assert "q-bad" not in screen.verdict_html(Verdict(text="All is well", worst=(), healthy=True))


def test_scores_before_and_after():
    text = plain(fix_scores.scores_html(drawn.score(0.1), drawn.score(0.989)))
    assert "10.0 %" in text
    assert "98.9 %" in text
    assert "measuring" in fix_scores.scores_html(drawn.score(0.1), None)
    assert "being measured" in fix_scores.scores_html(None, None)


def test_only_what_helps_is_offered_best_first():
    now = drawn.score(0.5)
    offers = tuple(cure.Cure(str(value), "", preset("w8a8"), drawn.score(value)) for value in (0.4, 0.9, 0.7))
    assert [one.title for one in cure.helpful(now, (*offers, cure.Cure("?", "", preset("w8a8"))))] == ["0.9", "0.7"]
    low = drawn.score(5.0, float_=4.0, name="perplexity", higher=False)
    better = cure.Cure("x", "", preset("w8a8"), drawn.score(4.1, float_=4.0, name="perplexity", higher=False))
    assert cure.helpful(low, (better,)) == (better,)
