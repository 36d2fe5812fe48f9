"""What is offered next to a broken layer."""

from qdebug.recipes import preset
from qdebug.web.editing import edits
from qdebug.web.layers.cure import cures
from tests.web.values import model

INFO = model()
HEAD = next(layer for layer in INFO.layers if layer.name == "head")


def test_coarse_scales_can_be_made_finer():
    found = {cure.title: cure.recipe for cure in cures(preset("w4a16"), INFO, HEAD, ())}
    assert set(found) == {"Per-channel weights", "int4 in groups of 32"}
    alone = found["Per-channel weights"]
    assert [name for name, _ in alone.layers] == ["head"]
    grouped = found["int4 in groups of 32"]
    labels = {layer.name: edits.plan_of(grouped, layer).weight.label for layer in INFO.layers}
    assert labels == {"a.dw": "int4", "a.pw": "int4 g32", "head": "int4 g32", "tok": "fp32"}


def test_groups_are_not_offered_where_there_are_groups():
    assert cures(preset("w4g32a16"), INFO, HEAD, ()) == ()
