"""The Diagnose screen: causes with their share, the fix beside each with what it was measured to win back."""

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.jobs.verbs import GetDiagnosis
from qdebug.recipes import preset
from qdebug.results import Cause, Diagnosis, Remedy, Trial
from qdebug.results.diagnosis import Together
from qdebug.web import diagnosis
from tests.web.conftest import html, settle, show
from tests.web.test_screens import button, recipe

EVIL = "<img src=x onerror=alert(1)>"


def cause(kind="uneven-weights", fix=None, **changes):
    given = {
        "layer": "conv", "layers": ("conv", EVIL), "tensor": "weight", "kind": kind, "share": 0.7,
        "evidence": {"widest_over_median": 48.0, "ranges": [1, 2], "format": EVIL}, "fix": fix, "metric_before": 0.2,
        "metric_after": 0.9, "recovered": 0.875, "text": EVIL,
        "tried": (Trial(fix=Remedy(method="cle", params={}), metric=None, recovered=-1.0),),
    }  # fmt: skip
    return Cause(**given | changes)


def found(*causes, **changes):
    given = {
        "model": "net", "digest": "d", "recipe": "r", "metric": "accuracy", "metric_float": 1.0,
        "metric_quantized": 0.2, "healthy": False, "causes": causes, "together": None, "n": 10, "seconds": 1.0,
        "text": "Accuracy is low",
    }  # fmt: skip
    return Diagnosis(**given | changes)


class Answering:
    restarts = 0

    def __init__(self, answer):
        self.answer = answer

    def ask(self, request, wait=0.4, *, asker="", seen=0):
        assert isinstance(request, GetDiagnosis)
        return self.answer


def page():
    from qdebug.web import diagnosis
    from qdebug.web.core import ask, state

    state.start()
    ask.begin()
    diagnosis.draw()
    ask.watch()


@pytest.fixture
def bench(answered_by):
    def run(answer):
        answered_by(Answering(answer))
        app = AppTest.from_function(page, default_timeout=20).run()
        assert not app.exception
        return app

    return run


def test_causes_and_fixes_are_told_and_names_do_nothing(bench):
    app = bench(found(cause(fix=Remedy(method="per-channel", params={"layers": ["conv"], "tensor": "weight"}))))
    text = html(app)
    for part in ("Accuracy is low.", "Weight ranges uneven between channels", "70 % of the damage",
                 "One scale per channel", "20.0 % → 90.0 %", "wins back 87.5 %", "does not run", "48.0"):  # fmt: skip
        assert part in text, part
    assert EVIL not in text
    assert "&lt;img" in text


def test_a_cause_without_a_fix_offers_none(bench):
    app = bench(found(cause(fix=None)))
    assert "Nothing of what was tried helps" in html(app)
    assert "Apply" not in {one.label for one in app.button}


def test_one_fix_of_two_causes_is_one_button_and_the_one_to_click(bench):
    fix = Remedy(method="cle", params={})
    app = bench(found(cause(fix=fix), cause(fix=fix, kind="outlier-channels")))
    assert [one.label for one in app.button if one.label == "Apply"] == ["Apply"]
    assert "The same fix as above mends this too." in html(app)
    assert 'type: "primary"' in str(button(app, "Apply").proto)


def test_a_sound_recipe_leads_onward(bench):
    app = bench(found(metric_quantized=1.0, healthy=True))
    assert {"Look for a smaller mixture", "Compare", "Export"} <= {one.label for one in app.button}
    assert "Each fix was tried" not in html(app)


def test_no_part_of_a_loss_is_won_back_where_nothing_was_lost(bench):
    given = cause(fix=Remedy(method="more-bits", params={}), metric_before=1.0, metric_after=0.9)
    app = bench(found(given, metric_quantized=1.0, healthy=True))
    assert "takes away 87.5 % of the output" in html(app)
    assert "wins back" not in html(app)


def test_evidence_has_names_and_units():
    from qdebug.figures.diagnosis import evidence

    said = dict(evidence(cause(evidence={"widest_over_median": 48.0, "rmin": -2.0, "clipping_rate": 0.25, "rows": 3})))
    assert said == {
        "widest channel over the median": "48.0×", "smallest value seen": "−2.00", "values clipped": "25.0\xa0%",
        "rows": "3",
    }  # fmt: skip


def test_all_fixes_together_are_one_click(bench):
    fixes = (Remedy(method="cle,bias-correction", params={}), Remedy(method="smoothquant", params={"alpha": 0.3}))
    app = bench(found(cause(fix=fixes[0]), together=Together(fixes=fixes, metric=0.95, recovered=0.9)))
    assert "cross-layer equalization and bias correction" in html(app)
    assert "SmoothQuant (α = 0.300)" in html(app)
    button(app, "Apply all").click()
    app.run()
    assert not app.exception
    assert [type(one).__name__ for one in recipe(app).fixes] == [
        "CrossLayerEqualization",
        "SmoothQuant",
        "BiasCorrection",
    ]


def test_every_kind_has_a_title():
    from typing import get_args

    from qdebug.results.diagnosis import CauseKind

    assert set(diagnosis.TITLES) == set(get_args(CauseKind))


def test_the_sample_s_cause_is_found_and_mended_by_a_click(app):
    show(app, "diagnosis")
    assert "Weight ranges uneven between channels" in html(app)
    assert recipe(app) == preset("w8a8")
    next(one for one in app.button if one.label == "Apply").click()
    settle(app)
    assert {type(one).__name__ for one in recipe(app).fixes} == {"CrossLayerEqualization"}
    assert "The last change brought accuracy from 19.1 % to 99.6 %." in html(app)
