"""A clip range that is not quite the one asked for says why."""

from qdebug.recipes import TensorPlan
from qdebug.web.layers.detail import clip_note
from tests.figures.values import view


def test_without_a_range_set_by_hand_it_says_how_to_set_one():
    assert clip_note(TensorPlan("int4"), view()).startswith("Drag across")


def test_a_range_that_was_taken_as_asked():
    assert clip_note(TensorPlan("int4", clip=(-1.0, 1.0)), view()).startswith("The clip range is set by hand")


def test_a_symmetric_grid_widens_what_was_asked():
    note = clip_note(TensorPlan("int4", clip=(-0.7, 0.5)), view(clip=(-0.8, 0.7)))
    assert note == "Asked for −0.700 to 0.500; a symmetric grid reaches as far on both sides: −0.800 to 0.700."


def test_an_affine_grid_moves_so_that_zero_has_a_code():
    plan = TensorPlan("int4", symmetric=False, clip=(-0.7, 0.5))
    assert "zero keeps a code of its own" in clip_note(plan, view(clip=(-0.72, 0.48)))
