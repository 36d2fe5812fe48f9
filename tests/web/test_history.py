"""Undo and redo."""

from hypothesis import given
from hypothesis import strategies as st

from qdebug.recipes import preset
from qdebug.web.core.state import MOST_TRIED, History

RECIPES = [preset(text) for text in ("w8a8", "w8a8-pc", "w4a8", "w4g32a16", "w16a16", "w2a2")]


def test_undo_redo_and_a_new_branch():
    history = History((RECIPES[0],)).changed(RECIPES[1]).changed(RECIPES[2])
    assert history.moved(-1).now == RECIPES[1]
    assert history.moved(-1).moved(1).now == RECIPES[2]
    branched = history.moved(-2).changed(RECIPES[3])
    assert branched.recipes == (RECIPES[0], RECIPES[3])
    assert set(branched.tried) == set(RECIPES[:4])


def test_the_trail_keeps_the_order_and_knows_what_each_recipe_was_made_from():
    first, second, third, fourth = RECIPES[:4]
    history = History((first,)).changed(second).changed(third).moved(-1).changed(fourth).changed(first)
    assert [one.recipe for one in history.trail] == [first, second, third, fourth]
    assert [one.parent for one in history.trail] == [None, first.digest, second.digest, second.digest]
    assert history.now == first and history.moved(-1).now == fourth  # returning is a step that undo takes back


def test_a_change_after_returning_to_an_older_recipe_starts_a_branch_there():
    first, second, third = RECIPES[:3]
    history = History((first,)).changed(second).changed(first).changed(third)
    assert history.trail[-1].parent == first.digest


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
        assert len(history.tried) <= MOST_TRIED and len(history.trail) <= MOST_TRIED
        assert len({one.recipe for one in history.trail}) == len(history.trail)
    assert not history.tried or set(history.tried) == seen
