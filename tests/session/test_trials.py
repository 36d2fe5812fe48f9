"""A fix tried on a recipe: what it shows while it works, what it says in the end, and what a stop costs."""

from __future__ import annotations

import pytest

from qdebug.engine import Work
from qdebug.errors import Cancelled
from qdebug.recipes import BiasCorrection, CrossLayerEqualization, Gptq, preset, with_fix
from qdebug.results import FixTrial
from qdebug.session import open as open_model

W4A8 = preset("w4a8")


@pytest.fixture
def session(tmp_path, monkeypatch):
    """The residual sample, with a workspace in which nothing was kept."""
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path))
    return open_model("digits-resnet")


class Seen(Work):
    """Notes progress and parts, and stops after so many steps of the fix."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.texts: list[str] = []
        self.parts: list[FixTrial] = []
        self._left = stop_after
        super().__init__(lambda progress: self._note(progress.text), self.parts.append)

    def _note(self, text: str) -> None:
        self.texts.append(text)
        if "GPTQ" in text and self._left is not None:
            self._left -= 1
            if self._left < 0:
                self.cancel()


def test_a_trial_is_the_scores_and_layers_of_both_recipes_with_the_error_on_its_way(session):
    work = Seen()
    found = session.try_fix(W4A8, Gptq(), work)
    after = with_fix(W4A8, Gptq())
    assert found.before.metric == session.score(W4A8).metric
    assert found.after.metric == session.score(after).metric
    rows = {row.name: row.output.sqnr_db for row in session.layers(after).rows}
    assert {layer.name: layer.after_db for layer in found.layers} == rows
    assert [layer.name for layer in found.changed] == sorted(
        (layer.name for layer in found.changed),
        key=lambda name: -abs(next(one.gain_db for one in found.layers if one.name == name)),
    )
    # One value before anything is rounded, one after each wave of layers, and the parts grow by them.
    assert len(found.course) == 1 + sum("GPTQ" in text for text in work.texts)
    assert found.course[-1] < found.course[0]
    assert [len(part.course) for part in work.parts] == [*range(len(found.course) + 1), len(found.course)]
    assert all(part.after is None for part in work.parts[:-1])


def test_the_error_is_that_of_the_output_on_the_first_calibration_batch(session):
    found = session.try_fix(W4A8, Gptq())
    batch = session.subject.calib_batches[0]
    wanted = session.output("w32a32", batch).double()
    for recipe, error in ((W4A8, found.course[0]), (with_fix(W4A8, Gptq()), found.course[-1])):
        off = session.output(recipe, batch).double() - wanted
        assert error == pytest.approx(float(off.square().sum() / wanted.square().sum()), rel=1e-5)


def test_tried_again_it_is_not_worked_out_again_not_even_by_another_process(session):
    first = session.try_fix(W4A8, Gptq())
    for one in (session, open_model("digits-resnet")):
        work = Seen()
        again = one.try_fix(W4A8, Gptq(), work)
        assert again.after.metric == first.after.metric
        assert again.layers == first.layers
        assert not any("GPTQ" in text for text in work.texts)


def test_a_stop_loses_nothing(session):
    plain = session.score(W4A8)
    with pytest.raises(Cancelled):
        session.try_fix(W4A8, Gptq(), Seen(stop_after=3))
    assert session.score(W4A8).metric == plain.metric
    whole = session.try_fix(W4A8, Gptq())
    assert whole.after.metric == open_model("digits-resnet").score(with_fix(W4A8, Gptq())).metric


def test_what_is_compared_with_is_the_recipe_without_the_fix(session):
    already = with_fix(W4A8, BiasCorrection())
    found = session.try_fix(already, BiasCorrection())
    assert found.before.recipe == W4A8.digest
    assert found.after.recipe == already.digest


def test_an_estimate_grows_with_what_is_to_be_done_and_learns_what_it_took(session):
    guess = session.estimate_fix(W4A8, Gptq())
    assert guess.seconds > guess.forward_seconds > 0
    assert guess.layers == len(session.info().layers)
    assert not guess.learned
    float_weights = preset("w16a8")
    assert session.estimate_fix(float_weights, Gptq()).seconds < guess.seconds
    session.try_fix(W4A8, Gptq())
    assert session.estimate_fix(W4A8, Gptq()).learned


def test_cards_say_what_would_have_to_go_and_which_values_are_set(session):
    cards = {card.method: card for card in session.fixes(with_fix(W4A8, Gptq(block=64)))}
    assert cards["gptq"].active
    assert {one.name: (one.value, one.default) for one in cards["gptq"].parameters}["block"] == (64, 128)
    assert cards["gptq"].replaces == ()
    assert not cards["cle"].active


def test_cards_start_no_slow_fix(session):
    work = Seen()
    session.fixes(with_fix(W4A8, Gptq()), work)
    session.fixes(with_fix(W4A8, CrossLayerEqualization()), work)
    assert not any("GPTQ" in text or "bias" in text for text in work.texts)
