"""The screen of fixes: groups, widgets made from classes, slow fixes that wait to be tried, kept or discarded."""

import re
import time
from html import escape

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from qdebug.figures import error_course, loss_course, tried_layers
from qdebug.figures.fixes import course_finding, layers_finding, losses_finding
from qdebug.recipes import Gptq, Qat, SmoothQuant, preset, with_fix
from qdebug.recipes.fixes import BY_NAME, KINDS
from qdebug.recipes.fixes.parameters import parameters
from qdebug.results import FixCard, FixEstimate, FixSite, FixTrial, Losses, TriedLayer
from qdebug.web.core.state import History
from qdebug.web.fixes import fix_cards, fix_findings, fix_parameters, fix_trial
from qdebug.web.fixes.fix_scores import scores_html
from tests.figures import values as drawn
from tests.web.conftest import html, settle, show
from tests.web.test_screens import button, recipe, toggle

W4A8 = preset("w4a8")


@pytest.fixture
def resnet(app):
    """The app with the residual sample in four bits, on the screen of fixes."""
    here = app.session_state
    here.ref = type(here.ref)(model="digits-resnet")
    settle(app)
    here.histories[here.ref] = History((W4A8,))
    return show(app, "fixes")


def labels(app):
    return [one.label for one in app.button]


def number(app, key):
    return next(one for one in app.number_input if one.key == key)


def card(method="gptq", **more):
    said = {"title": "A fix", "about": "It helps.", "cures": "trouble", "source": "Somebody", "stage": "rounding"}
    return FixCard(**(said | {"method": method, "pace": "seconds", "sites": ()} | more))


def test_cards_stand_under_what_they_cure(resnet):
    text = html(resnet)
    for kind in KINDS:
        assert f'q-card">{escape(kind.title)}<' in text
    last = max(text.index(title) for title in re.findall(r'<h2 class="q-group">[^<]*', text))
    # What has no place in a network of convolutions stands behind all that has one, with the reason.
    assert text.index('q-card">SmoothQuant<') > last
    assert text.index('q-card">GPTQ<') < last < text.index("only linear layers are given factors here")


def test_a_slow_fix_waits_with_an_estimate_until_it_is_tried_and_is_kept_by_a_click(resnet):
    app = resnet
    text = html(app)
    assert re.search(r"About [\d.]+ s, estimated from the layers", text)
    # Of the fixes that have a place here, only the live ones were measured by themselves.
    assert text.count("with it</td>") == 2
    button(app, "Try GPTQ").click()
    settle(app)
    text = html(app)
    assert recipe(app) == W4A8
    assert "95 % interval" in text
    assert re.search(r"outputs gain [\d.]+ dB in the median", text)
    assert "<td>GPTQ</td>" in text  # among what was measured on this recipe
    assert "The output&#x27;s error fell from" in text or "The output's error fell from" in text
    assert len(app.get("plotly_chart")) >= 2
    assert "Try GPTQ" not in labels(app)
    button(app, "Keep").click()
    settle(app)
    assert recipe(app).fixes == (Gptq(),)
    assert "In the recipe" in html(app)
    assert "Keep" not in labels(app)
    button(app, "Undo").click()
    settle(app)
    assert recipe(app) == W4A8
    # What was found is kept: the answer is there again without having been asked for.
    assert "Keep" in labels(app)
    button(app, "Discard").click()
    settle(app)
    assert recipe(app) == W4A8
    assert "Try GPTQ" in labels(app)


def test_other_parameters_are_another_trial(resnet):
    app = resnet
    button(app, "Try GPTQ").click()
    settle(app)
    number(app, "param-gptq-block").set_value(64)
    settle(app)
    assert "Keep" not in labels(app)
    assert recipe(app) == W4A8
    toggle(app, "Act order").set_value(True)
    settle(app)
    assert "Changed: act order true, block 64." in html(app)
    button(app, "Try GPTQ").click()
    settle(app)
    button(app, "Keep").click()
    settle(app)
    assert recipe(app).fixes == (Gptq(act_order=True, block=64),)
    button(app, "Take it out").click()
    settle(app)
    assert recipe(app).fixes == ()


def test_training_is_ended_early_and_kept_as_what_it_was(resnet):
    app = resnet
    number(app, "param-qat-iterations").set_value(5000)
    settle(app)
    button(app, "Try quantization-aware training").click()
    deadline = time.monotonic() + 60
    while "Stop and keep the best" not in labels(app):
        assert time.monotonic() < deadline
        app.run(timeout=60)
    button(app, "Stop and keep the best").click()
    settle(app)
    assert recipe(app) == W4A8
    said = re.search(r"Ended early: kept as qat:iterations=5000:stop=(\d+)\.", html(app))
    assert said and 0 < int(said[1]) < 5000
    assert "The loss on held-out samples" in html(app)
    button(app, "Keep").click()
    settle(app)
    assert recipe(app).fixes == (Qat(iterations=5000, stop=int(said[1])),)
    assert "In the recipe" in html(app)
    assert "95 % interval" in html(app)  # what was reached is still in sight
    button(app, "Undo").click()
    settle(app)
    assert recipe(app) == W4A8


def test_what_a_fix_would_replace_is_said():
    text = fix_cards.head_html(card(replaces=("GPTQ",)))
    assert "Takes the place of GPTQ." in text
    assert "Takes the place" not in fix_cards.head_html(card())


def test_one_line_for_each_reason():
    refused = tuple(FixSite(layers=(f"layer{index}",), refused="it has no grid") for index in range(9))
    text = fix_cards.sites_html(card(sites=(*refused, FixSite(layers=("other",), refused=None))))
    assert text.count("it has no grid") == 1
    assert "layer3" in text
    assert "layer4" not in text
    assert "and 5 more" in text
    assert "Applies in 1 place, not in 9" in text


def test_groups_keep_the_order_of_application():
    cards = (card("a", cures="one"), card("b", cures="two"), card("c", cures="one"))
    assert {name: [one.method for one in group] for name, group in fix_cards.groups(cards).items()} == {
        "one": ["a", "c"], "two": ["b"],
    }  # fmt: skip


def test_an_estimate_says_what_it_rests_on():
    found = FixEstimate(seconds=0.2, forward_seconds=0.1, layers=3)
    assert "estimated from the layers" in fix_trial.estimate_html(found, "seconds")
    learned = msgspec.structs.replace(found, learned=True)
    assert "what it took here before" in fix_trial.estimate_html(learned, "seconds")
    assert "the recipe is as it was" in fix_trial.estimate_html(found, "seconds", stopped=True)
    assert "Takes minutes" in fix_trial.estimate_html(None, "minutes")
    assert [fix_trial.round_up(value) for value in (0.2, 3.4, 47.3, 412)] == [1, 3, 47, 410]


def metric(quantized, interval=None, **more):
    found = drawn.score(quantized, **more).metric
    return msgspec.structs.replace(found, quantized_ci95=interval or (quantized - 0.01, quantized + 0.01))


@pytest.mark.parametrize(
    ("before", "after", "gain", "said", "keep"),
    [
        (0.5, 0.9, 3.0, "Better: accuracy 50.0 % → 90.0 %; layers' outputs gain 3.0 dB in the median.", True),
        (0.9, 0.5, 3.0, "Worse: accuracy 90.0 % → 50.0 %; layers' outputs gain 3.0 dB in the median.", False),
        (0.9, 0.905, 3.0, "Accuracy 90.0 % → 90.5 % is within its 95 % interval; layers' outputs gain 3.0 dB in the "
                          "median.", True),
        (0.9, 0.9, -2.0, "Accuracy stays 90.0 %; layers' outputs lose 2.0 dB in the median.", False),
        (0.9, 0.9, 0.0, "Accuracy stays 90.0 %; layers' outputs stay.", False),
    ],
)  # fmt: skip
def test_a_trial_is_judged_in_words(before, after, gain, said, keep):
    first, last = drawn.score(before), drawn.score(after)
    first = msgspec.structs.replace(first, metric=metric(before))
    layers = (TriedLayer(name="a", before_db=20.0, after_db=20.0 + gain),)
    trial = FixTrial(before=first, after=last, layers=layers, course=(), seconds=1.0)
    assert fix_findings.trial_words(trial).replace("\u00a0", " ") == said
    assert fix_findings.is_worth_keeping(trial) is keep


def test_a_training_that_found_nothing_better_says_so():
    losses = (Losses(step=0, training=None, held_out=0.1), Losses(step=30, training=0.2, held_out=0.3))
    trial = FixTrial(before=drawn.score(0.9), after=drawn.score(0.9), layers=(), course=(), seconds=1.0, losses=losses)
    assert "No step of 30 steps did better than the start: it is kept untrained." in fix_findings.trial_words(trial)


def test_the_fix_that_leaves_most_is_the_finding():
    found = [fix_findings.Found("Bias correction", metric(0.2), metric(0.7)),
             fix_findings.Found("Cross-layer equalization", metric(0.2), metric(0.99))]  # fmt: skip
    text = fix_findings.found_html(found).replace("\u00a0", " ")
    assert "Of 2 fixes measured, cross-layer equalization does best: accuracy 20.0 % → 99.0 %." in text
    assert text.index("Cross-layer") < text.index("Bias correction")
    worse = fix_findings.found_html([fix_findings.Found("<b>", metric(0.9), metric(0.7))])
    assert "None of the fixes measured makes accuracy better than 90.0" in worse
    assert "<b>" not in worse
    assert "slow ones wait" in fix_findings.found_html([])


def test_steps_of_number_inputs_suit_the_default():
    steps = {one.name: fix_parameters.step(one) for one in parameters(Gptq) if one.kind in ("int", "float")}
    assert steps["damping"] == pytest.approx(0.001)
    assert steps["block"] == 10
    assert fix_parameters.step(parameters(BY_NAME["cle"])[0]) == 1


def every_parameter():
    from qdebug.recipes.fixes import KINDS
    from qdebug.web.core import state
    from qdebug.web.fixes import fix_parameters

    state.start()
    for kind in KINDS:
        fix_parameters.draw(state.draft(kind.__struct_config__.tag, kind()), live=False)


def test_every_parameter_is_a_widget_that_shows_its_default_and_is_remembered():
    app = AppTest.from_function(every_parameter, default_timeout=60).run()
    assert not app.exception, [one.value for one in app.exception]
    shown = {one.key: one.value for one in (*app.number_input, *app.toggle, *app.slider, *app.selectbox)}
    wanted = {
        f"param-{kind.__struct_config__.tag}-{one.name}": one.default
        for kind in KINDS for one in parameters(kind) if one.kind != "other"
    }  # fmt: skip
    assert shown == wanted
    number(app, "param-gptq-block").set_value(32).run()
    assert not app.exception
    assert number(app, "param-gptq-block").value == 32
    assert app.session_state.drafts[app.session_state.ref, "gptq"] == Gptq(block=32)


def test_scores_with_intervals():
    assert "95 % interval" in scores_html(drawn.score(0.1), drawn.score(0.9), interval=True)
    assert "interval" not in scores_html(drawn.score(0.1), drawn.score(0.9))


def trial(*pairs, course=()):
    layers = tuple(TriedLayer(name=name, before_db=one, after_db=two) for name, one, two in pairs)
    return FixTrial(layers=layers, course=course)


def test_layers_before_and_after_the_most_changed_first():
    found = trial(("a", 10.0, 11.0), ("b", 10.0, 15.0), ("c", 20.0, 18.0), ("d", 5.0, 5.0))
    assert [one.name for one in found.changed] == ["b", "c", "a"]
    assert layers_finding(found) == "2 layers gain, 1 loses; most gains b, +5.00\u00a0dB"
    figure = tried_layers(found, dark=False)
    assert list(figure.data[-1].y) == ["b", "c", "a"]
    assert list(figure.data[-1].x) == [15.0, 18.0, 11.0]
    assert "worse" not in layers_finding(found)
    assert layers_finding(trial(("a", 10.0, 9.0))).startswith("1 layer lose")
    assert layers_finding(trial(("a", 10.0, 10.0))) == "No layer's output changes"


def test_the_losses_say_where_the_best_was():
    losses = tuple(
        Losses(step=step, training=training, held_out=held_out)
        for step, training, held_out in ((0, None, 2.0), (10, 1.5, 0.5), (20, 0.2, 0.75))
    )
    assert losses_finding(losses) == "The loss on held-out samples fell from 2.00 to 0.500, at step 10"
    assert "never less" in losses_finding(losses[:1])
    training, held_out = loss_course(losses, dark=False).data
    assert list(training.x) == [10, 20]
    assert list(held_out.y) == [2.0, 0.5, 0.75]


def test_the_course_says_where_the_error_went():
    assert course_finding((0.04, 0.02, 0.01)) == "The output's error fell from 4.00\u00a0% to 1.00\u00a0% of the signal"
    assert "rose" in course_finding((0.01, 0.02))
    assert list(error_course((0.04, 0.01), dark=True).data[0].y) == [4.0, 1.0]


def test_live_scores_wait_where_a_slow_fix_would_have_to_start_anew():
    assert fix_cards.is_live(with_fix(W4A8, SmoothQuant()))
    assert not fix_cards.is_live(with_fix(W4A8, Gptq()))
