"""Undo and redo."""

from hypothesis import given
from hypothesis import strategies as st

from qdebug.recipes import preset
from qdebug.web.state import MOST_TRIED, History

RECIPES = [preset(text) for text in ("w8a8", "w8a8-pc", "w4a8", "w4g32a16", "w16a16", "w2a2")]


def test_undo_redo_and_a_new_branch():
    history = History((RECIPES[0],)).changed(RECIPES[1]).changed(RECIPES[2])
    assert history.moved(-1).now == RECIPES[1]
    assert history.moved(-1).moved(1).now == RECIPES[2]
    branched = history.moved(-2).changed(RECIPES[3])
    assert branched.recipes == (RECIPES[0], RECIPES[3])
    assert set(branched.tried) == set(RECIPES[:4])


def test_the_same_recipe_again_is_no_step():
    history = History((RECIPES[0],))
    assert history.changed(RECIPES[0]) is history


@given(st.lists(st.one_of(st.sampled_from(RECIPES), st.integers(-3, 3)), max_size=60))
def test_there_is_always_a_recipe_at_hand_and_nothing_tried_is_forgotten(steps):
    history = History((RECIPES[0],))
    seen = {RECIPES[0]}
    for step in steps:
        history = history.moved(step) if isinstance(step, int) else history.changed(step)
        seen.add(history.now)
        assert history.now in history.recipes
        assert 0 <= history.cursor < len(history.recipes)
        assert len(history.tried) <= MOST_TRIED
    assert not history.tried or set(history.tried) == seen
