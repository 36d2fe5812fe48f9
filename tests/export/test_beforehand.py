"""What a checkpoint will not say is told beforehand, and is what is then not said."""

import pytest
from msgspec.structs import replace

from qdebug.errors import RecipeError
from qdebug.export import FOLDERS, TARGETS, beforehand, export_file, foretold
from qdebug.recipes import (
    AttentionPlan,
    LayerPlan,
    parse_cache_format,
    parse_plan,
    parse_weight_format,
    preset,
    set_layers,
)
from qdebug.session import open as open_model
from tests.doors.huggingface import zoo


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    place = tmp_path_factory.mktemp("float")
    (place / "story.txt").write_text(zoo.STORY, "utf-8")
    return open_model(zoo.save("llama", place / "llama"), place / "story.txt")


NF4 = LayerPlan(weight=parse_weight_format("nf4"))


def mixed(**plans):
    layers = {"model.layers.0.mlp.up_proj": parse_plan("w8a16"), "model.layers.1.mlp.up_proj": NF4}
    return set_layers(preset("w4g32a16"), layers | plans)


RECIPES = {
    "int8": preset("w8a8-pc"), "groups": preset("w4g32a16"), "mixed": mixed(), "all": preset("w8a8-pc-all"),
    "odd": preset("w5a8-pc"), "embedding": mixed(**{"model.embed_tokens": parse_plan("w8a16")}),
}  # fmt: skip


def floats(sentences, names):
    """The layers that stay float, as sentences have it."""
    said = [text.partition(": the weight stays float")[0] for text in sentences if "the weight stays float" in text]
    return {name for text in said for name in text.split(", ")} & set(names)


@pytest.mark.parametrize("target", FOLDERS)
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_layers_said_to_stay_float_do(session, recipe, target, tmp_path, monkeypatch):
    monkeypatch.setattr(foretold, "MOST_NAMED", 99)
    names = [layer.name for layer in session.info().layers]
    told = floats(beforehand(session.info(), recipe, target), names)
    try:
        found = floats(export_file(session, recipe, target, tmp_path / "out").unsaid, names)
    except RecipeError:  # not one layer could be said
        found = {name for name in names if name != "model.embed_tokens"}
    assert told == found


def test_the_usual_cases_in_words(session):
    info = session.info()
    assert beforehand(info, preset("w4g32a16"), "compressed-tensors") == ()
    narrow, scales = beforehand(info, preset("w4g32a16"), "gptq")
    assert narrow.startswith("4 layers (model.layers.0.self_attn.k_proj, ")
    assert narrow.endswith(" …): the weight stays float: 16 output features are no multiple of 32.")
    assert scales.endswith("GPTQ stores scales in float16, which may round these.")
    (odd,) = beforehand(info, set_layers(preset("w4g32a16"), {"lm_head": NF4}), "compressed-tensors")
    assert odd == "lm_head: the weight stays float: compressed-tensors has no nf4 here."
    said = beforehand(info, preset("w8a8-pc-all"), "awq")
    assert "AWQ has no int8 here" in said[0]
    assert "Values between layers stay float: AWQ cannot be told of each." in said
    assert "Biases are int32; AWQ decides by itself how it holds them." in said


def test_files_that_are_written_at_once_are_not_foretold(session):
    assert {beforehand(session.info(), preset("w8a8"), target) for target in TARGETS} == {()}


def test_what_attention_computes_with_is_told_beforehand(session):
    plan = AttentionPlan(keys=parse_cache_format("int8", "keys"))
    recipe = replace(preset("w4g128"), attention=plan)
    for target in ("compressed-tensors", "gguf"):
        (said,) = [one for one in beforehand(session.info(), recipe, target) if "Attention computes with" in one]
        assert "keys int8" in said
