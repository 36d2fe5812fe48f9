"""Two recipes on one session: layers that differ, answers that changed, and how they are shown."""

import numpy as np
import pytest
import torch
from torch import nn

from qdebug.engine import Work
from qdebug.errors import QDebugError, RecipeError, UsageError
from qdebug.methods.smoothing_search import AlphaSearch
from qdebug.recipes import (
    BiasCorrection,
    CrossLayerEqualization,
    Gptq,
    LayerPlan,
    Recipe,
    SmoothQuant,
    TensorPlan,
    parse_fix,
    parse_plan,
    preset,
    set_layers,
    with_clip,
    with_fix,
)
from qdebug.session import open as open_model
from qdebug.session.differing import notation
from tests.networks import Attention, Residual, data_for, seeded


def wide(count=60):
    """Data on which the network of seed 4 gives several answers."""
    data = data_for(Residual, count)
    return data | {"images": 4 * data["images"]}


@pytest.fixture(scope="module")
def residual():
    return open_model(seeded(Residual, 4), wide())


@pytest.fixture(scope="module")
def tokens():
    return open_model(seeded(Attention), data_for(Attention))


def test_the_same_recipe_differs_in_nothing(residual):
    found = residual.compare("w4a8", preset("w4a8"))
    assert found.is_same
    assert (found.layers, found.alike, found.between) == ((), 4, ())
    assert (found.difference.delta, found.difference.changed) == (0, 0)
    assert residual.flips("w4a8", "w4a8").rows == ()


def test_layers_whose_plan_differs_and_no_others(residual):
    one = preset("w8a8")
    two = set_layers(one, {"pw": parse_plan("w4a8"), "head": parse_plan("w8a8")})
    found = residual.compare(one, two)
    assert [layer.name for layer in found.layers] == ["pw"]
    assert found.alike == 3
    (layer,) = found.layers
    assert (layer.a.weight, layer.b.weight, layer.a.activation) == ("int8", "int4", "int8")
    tables = [{row.name: row for row in residual.layers(recipe).rows} for recipe in (one, two)]
    assert layer.a.output_sqnr_db == tables[0]["pw"].output.sqnr_db
    assert layer.b.output_sqnr_db == tables[1]["pw"].output.sqnr_db
    assert layer.b.weight_sqnr_db < layer.a.weight_sqnr_db


def test_what_a_label_does_not_say_is_told(residual):
    one = preset("w8a8")
    two = with_clip(one, "head", "activation", (-1.0, 2.0))
    (layer,) = residual.compare(one, two).layers
    assert (layer.a.more, layer.b.more) == (("input no hand-set range",), ("input range -1 to 2",))
    mse = Recipe(default=LayerPlan(TensorPlan("int8", range="mse"), one.default.activation))
    assert residual.compare(one, mse).layers[0].b.more == ("weight range mse",)
    assert residual.compare("w32a32", mse).layers[0].b.more == (), "a float has no range to differ in"


def test_values_between_layers_and_biases_are_told(residual):
    found = residual.compare("w8a8-pc", "w8a8-pc-all")
    assert found.layers == ()
    assert found.between == (
        ("values between layers fp32", "values between layers int8"),
        ("biases fp32", "biases int32"),
    )


def test_an_equalization_that_was_taken_back_touches_no_layer():
    session, one = open_model("digits-resnet"), preset("w4a8")
    fixed = with_fix(one, CrossLayerEqualization())
    found = session.preparer.rewrites.equalization(fixed, Work())
    assert found is not None and not found.kept and found.groups
    assert session.compare(one, fixed).layers == ()
    everything = with_fix(one, CrossLayerEqualization(guard=False))
    assert {layer.b.fixes for layer in session.compare(one, everything).layers} == {("cle:guard=false",)}


def test_a_search_that_leaves_a_place_alone_does_not_touch_it(tokens, monkeypatch):
    """None of the factors is better than none anywhere: no layer is touched."""
    monkeypatch.setattr(AlphaSearch, "__call__", lambda *_: None)
    one = preset("w6a6-pc")
    assert tokens.compare(one, with_fix(one, SmoothQuant(search=True, steps=3))).layers == ()


def test_a_fix_that_does_not_treat_a_layer_does_not_touch_it(tokens):
    one = set_layers(preset("w8a8"), {"up": parse_plan("w16a8")})
    names = {layer.name for layer in tokens.compare(one, with_fix(one, Gptq())).layers}
    assert "down" in names and "up" not in names


def test_fixes_differ_where_they_touch(residual, tokens):
    one = preset("w8a8")
    equalized = residual.compare(one, with_fix(one, CrossLayerEqualization(guard=False)))
    chained = {name for pattern in residual.info().patterns if not pattern.refused for name in pattern.layers}
    assert {layer.name for layer in equalized.layers} == chained
    assert len(chained) == 4
    pairs = residual.compare(one, with_fix(one, CrossLayerEqualization(residual=False, guard=False)))
    assert {layer.name for layer in pairs.layers} == {"dw", "pw"}
    assert {layer.b.fixes for layer in equalized.layers} == {("cle:guard=false",)}
    corrected = residual.compare(one, with_fix(set_layers(one, {"head": parse_plan("w32a32")}), BiasCorrection()))
    assert {layer.name: layer.b.fixes for layer in corrected.layers} == {
        "stem": ("bias-correction",), "dw": ("bias-correction",), "pw": ("bias-correction",), "head": (),
    }  # fmt: skip
    smooth = tokens.compare(with_fix(one, SmoothQuant()), with_fix(one, SmoothQuant(alpha=0.7)))
    assert {layer.name for layer in smooth.layers} == {"q", "k", "v", "up"}
    assert (smooth.layers[0].a.fixes, smooth.layers[0].b.fixes) == (("smoothquant",), ("smoothquant:alpha=0.7",))
    through = preset("w8a8-pc")
    smooth = tokens.compare(through, with_fix(through, SmoothQuant()))
    assert {layer.name for layer in smooth.layers} == {"q", "k", "v", "up", "down"}


def test_a_fix_is_spelled_as_it_is_read():
    for fix in (CrossLayerEqualization(iterations=3), SmoothQuant(alpha=0.25, search=True), Gptq(groups="updated")):
        assert parse_fix(notation(fix)) == fix
    assert notation(CrossLayerEqualization(iterations=3)) == "cle:iterations=3"


def test_changed_answers_are_those_of_the_outputs(residual):
    found, flips = residual.compare("w8a8", "w3a8"), residual.flips("w8a8", "w3a8", most=96)
    outputs = [
        np.concatenate([residual.output(recipe, batch).numpy() for batch in residual.subject.eval_batches])
        for recipe in ("w8a8", "w3a8")
    ]
    labels, (a, b) = residual.subject.data.labels.numpy(), (side.argmax(1) for side in outputs)
    assert {row.sample for row in flips.rows} == set(np.flatnonzero(a != b).tolist())
    assert flips.total == found.difference.changed == sum(flips.counts)
    assert all(flips.counts), "each direction is there"
    assert flips.counts[:2] == (found.difference.lost, found.difference.gained)
    decided = [row.margin_a + row.margin_b for row in flips.rows]
    assert decided == sorted(decided, reverse=True)
    for row in flips.rows:
        assert (row.a, row.b, row.target) == (a[row.sample], b[row.sample], labels[row.sample])
        assert row.margin_a == pytest.approx(outputs[0][row.sample][row.a] - outputs[0][row.sample][row.b])
        assert row.margin_b == pytest.approx(outputs[1][row.sample][row.b] - outputs[1][row.sample][row.a])
        right = (row.a == row.target, row.b == row.target)
        assert row.direction == {(True, False): "lost", (False, True): "gained"}.get(right, "other")
        assert (row.picture.height, row.picture.channels) == (8, 3)
        assert (row.position, row.text) == (None, None)


def test_pages_and_directions(residual):
    every = residual.flips("w8a8", "w2a8", most=96)
    pages = [residual.flips("w8a8", "w2a8", start=start, most=7).rows for start in range(0, every.total, 7)]
    assert tuple(row for page in pages for row in page) == every.rows
    for way, many in zip(("lost", "gained", "other"), every.counts, strict=True):
        found = residual.flips("w8a8", "w2a8", way, most=96)
        assert found.total == many == len(found.rows)
        assert found.rows == tuple(row for row in every.rows if row.direction == way)
    assert residual.flips("w8a8", "w2a8", start=10_000).rows == ()
    for bad in ({"most": 0}, {"most": 97}, {"start": -1}, {"direction": "sideways"}):
        with pytest.raises(UsageError):
            residual.flips("w8a8", "w2a8", **bad)


def test_the_answers_that_one_layer_changes_from_float(residual):
    recipe = preset("w2a8")
    alone = set_layers(Recipe(), {"dw": recipe.default})
    found, plain = residual.layer_flips(recipe, "dw", most=96), residual.flips(Recipe(), alone, most=96)
    assert found.rows and found.rows == plain.rows
    assert found.predictions == 60
    assert sum(found.counts) < sum(residual.flips(Recipe(), recipe).counts)
    assert residual.layer_flips(set_layers(recipe, {"dw": LayerPlan()}), "dw").rows == ()
    (row,) = residual.layer_flips(recipe, "dw", start=1, most=1).rows
    assert row == found.rows[1]
    with pytest.raises(RecipeError, match="no layer"):
        residual.layer_flips(recipe, "nowhere")


def test_a_layer_keeps_what_the_recipe_s_fixes_gave_it(residual):
    """Its corrected bias, and the range that all other layers' quantization did not move."""
    recipe = with_fix(preset("w2a8"), BiasCorrection())
    flips = residual.layer_flips(recipe, "dw", most=96)
    sheet = residual.preparer.sheet(recipe, Work())
    layer = residual.subject.layer("dw")
    assert layer.bias in sheet.overlay.tensors or layer.step in sheet.overlay.biases
    assert {row.sample for row in flips.rows} != {
        row.sample for row in residual.layer_flips("w2a8", "dw", most=96).rows
    }


def test_tokens_have_a_place_and_what_was_read(tokens):
    data = tokens.subject.data
    flips = tokens.flips(Recipe(), "w2a8", most=96)
    assert flips.unit == "token"
    assert flips.rows
    for row in flips.rows:
        assert row.target == data.labels[row.sample, row.position]
        read = " ".join(map(str, data.inputs["tokens"][row.sample, : row.position + 1].tolist()))
        assert row.text.before == read
        assert (row.text.a, row.text.b, row.text.is_bytes) == (str(row.a), str(row.b), False)


def test_tokens_that_are_no_targets_do_not_count():
    data = data_for(Attention)
    data["labels"][:, ::2] = -100
    session = open_model(seeded(Attention), data)
    flips = session.flips(Recipe(), "w2a8", most=96)
    assert {row.position % 2 for row in flips.rows} == {1}
    assert all(row.target == data["labels"][row.sample, row.position] for row in flips.rows)


def test_bytes_are_shown_as_characters():
    session = open_model(seeded(lambda: Attention(256)), {
        "tokens": torch.tensor([list(b"say\nhi \xff")] * 4), "labels": torch.tensor([list(b"ay\nhi \xff!")] * 4),
    })  # fmt: skip
    (row, *_) = (row for row in session.flips(Recipe(), "w2a4", most=96).rows if row.position == 7)
    assert row.text.before == "say⏎hi ·"
    assert row.text.target == "!"
    assert row.text.is_bytes


def test_without_labels_the_float_model_is_right():
    data = wide()
    del data["labels"]
    session = open_model(seeded(Residual, 4), data)
    found, flips = session.compare("w4a8", "w2a8"), session.flips("w4a8", "w2a8", most=96)
    assert (found.reference, found.unit, found.difference.name) == ("float", "sample", "agreement")
    predicted = session.predictions(Recipe()).top1
    assert flips.rows
    assert all(row.target == predicted[row.sample] for row in flips.rows)
    assert found.difference.b == pytest.approx(session.score("w2a8").metric.quantized)


def test_outputs_that_moved_most_come_first():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)

        def forward(self, images):
            return self.conv(images)

    session = open_model(seeded(Mean), {"images": data_for(Residual)["images"], "group": np.repeat(["x", "y"], 12)})
    found, flips = session.compare("w8a8", "w2a8"), session.flips("w8a8", "w2a8", most=96)
    assert (found.unit, found.difference.name) == ("output", "sqnr_db")
    assert found.difference.delta < 0
    batch = session.subject.eval_batches
    base, a, b = (
        np.concatenate([session.output(recipe, one).numpy().reshape(one.count, -1) for one in batch])
        for recipe in (Recipe(), "w8a8", "w2a8")
    )
    moved = np.linalg.norm(b - a, axis=1) / np.linalg.norm(base, axis=1)
    assert [row.sample for row in flips.rows] == np.argsort(-moved, kind="stable").tolist()
    assert flips.rows[0].moved == pytest.approx(moved.max(), rel=1e-4)
    assert flips.rows[0].error_b == pytest.approx(
        np.linalg.norm(b - base, axis=1)[flips.rows[0].sample] / np.linalg.norm(base, axis=1)[flips.rows[0].sample],
        rel=1e-4,
    )
    assert {row.group for row in flips.rows} == {"x", "y"}
    assert len(found.groups) == 2
    assert all(row.difference.p is not None for row in found.groups)


def test_images_of_pixels_are_ordered_by_what_changed():
    class Segmenter(nn.Module):
        def __init__(self):
            super().__init__()
            self.classes = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, images):
            return self.classes(images)

    images, model = data_for(Residual)["images"], seeded(Segmenter)
    labels = model(images).argmax(1).detach()
    labels[:, 0] = 255
    session = open_model(model, {"images": images, "labels": labels})
    found, flips = session.compare(Recipe(), "w2a8"), session.flips(Recipe(), "w2a8", most=96)
    assert found.unit == "image"
    moved = [row.moved for row in flips.rows]
    assert moved == sorted(moved, reverse=True)
    assert sum(moved) * 7 * 8 == pytest.approx(found.difference.changed)
    assert all((row.error_a, row.direction) == (0, "lost") for row in flips.rows)
    assert [row.error_b for row in flips.rows] == pytest.approx(moved)


def test_a_recipe_that_does_not_fit_is_refused(residual):
    with pytest.raises(RecipeError, match="nope"):
        residual.compare("w8a8", set_layers(preset("w8a8"), {"nope": parse_plan("w4a8")}))
    with pytest.raises(QDebugError, match="w8z8"):
        residual.compare("w8a8", "w8z8")
