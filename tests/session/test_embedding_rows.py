"""Tables of embeddings with a scale for each row: values, sizes, and errors over the rows that the data look up."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import qdebug
from qdebug.engine import Work
from qdebug.errors import QDebugError
from qdebug.export import export_file
from qdebug.formats import find
from qdebug.recipes import (
    FLOAT,
    LayerPlan,
    Recipe,
    dumps,
    loads,
    parse_embedding_format,
    preset,
    set_layers,
    with_embeddings,
)

ROWS, WIDTH, CLASSES = 40, 32, 40


class Words(nn.Module):
    """An embedding and a head, which may share a table."""

    def __init__(self, tied=False):
        super().__init__()
        self.embed = nn.Embedding(ROWS, WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(torch.tanh(self.embed(tokens)))


def words(tied=False):
    torch.manual_seed(0)
    module = Words(tied).eval()
    with torch.no_grad():
        module.embed.weight.mul_(torch.logspace(-2, 1, ROWS).unsqueeze(1))  # rows of very different ranges
    return module


def opened(module, rows=ROWS, count=24):
    dice = torch.Generator().manual_seed(1)
    return qdebug.open(module, {"tokens": torch.randint(0, rows, (count, 6), generator=dice)})


def by_hand(table, bits=8):
    """Symmetric, absmax of the row on the largest code, in float64."""
    table = table.astype(np.float64)
    top = 2 ** (bits - 1) - 1
    scale = np.abs(table).max(1, keepdims=True) / top
    return np.clip(np.round(table / scale), -top - 1, top) * scale


def rounded(session, recipe):
    layer = session.subject.layer("embed")
    return session.preparer.sheet(recipe, Work()).weight(layer, session.subject.engine.cache).numpy()


@pytest.mark.parametrize("bits", [8, 4])
def test_each_row_has_a_scale(bits):
    module = words()
    table = module.embed.weight.detach().numpy()
    found = rounded(opened(module), with_embeddings(Recipe(), f"int{bits}"))
    np.testing.assert_allclose(found, by_hand(table, bits), rtol=1e-5, atol=1e-7)


def test_groups_lie_within_a_row():
    module = words()
    table = module.embed.weight.detach().numpy()
    found = rounded(opened(module), with_embeddings(Recipe(), "int4g8"))
    expected = by_hand(table.reshape(-1, 8), 4).reshape(ROWS, WIDTH)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_small_floats_have_a_scale_for_each_row():
    module = words()
    table = module.embed.weight.detach()
    found = rounded(opened(module), with_embeddings(Recipe(), "fp8_e4m3fn"))
    scale = table.abs().amax(1, keepdim=True) / 448
    expected = (table / scale).to(torch.float8_e4m3fn).float() * scale
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


@pytest.mark.parametrize("text", ["int8", "int4", "int4g32", "nf4", "fp8_e4m3fn", "mxfp4", "q8_0", "fp16"])
def test_presets_leave_embeddings_and_they_have_a_choice_of_their_own(text):
    session = opened(words())
    base = preset("w8a8-pc")
    assert base.plan_for("embed", "embedding") == LayerPlan()
    recipe = with_embeddings(base, text)
    plan = recipe.plan_for("embed", "embedding")
    assert plan == LayerPlan(parse_embedding_format(text)) and plan.weight.format == text.split("g3")[0]
    assert plan.weight.granularity != "tensor" or find(text).is_cast or find(text).own_blocks
    assert recipe.plan_for("head", "matmul") == base.default
    assert session.evaluate(recipe).size.quantized_bytes < session.evaluate(base).size.quantized_bytes
    assert loads(dumps(recipe)) == recipe and recipe.digest != base.digest
    named = set_layers(recipe, {"embed": LayerPlan()})
    assert named.plan_for("embed", "embedding").weight == FLOAT


def test_a_format_that_is_none_is_refused():
    with pytest.raises(QDebugError, match="intx"):
        with_embeddings(Recipe(), "intx")


def test_an_onnx_file_holds_the_codes_of_a_table_and_what_runs_it_gives_the_same(tmp_path):
    session = opened(words())
    recipe = with_embeddings(Recipe(), "int8")
    export_file(session, recipe, "onnx", tmp_path / "out.onnx")
    file = onnx.load(tmp_path / "out.onnx")
    stored = [onnx.numpy_helper.to_array(one) for one in file.graph.initializer]
    table = session.subject.program.state[session.subject.layer("embed").weight].numpy()
    codes = np.round(table / (np.abs(table).max(1, keepdims=True) / 127))
    assert any(one.dtype == np.int8 and np.array_equal(one, codes) for one in stored)
    runtime = onnxruntime.InferenceSession(tmp_path / "out.onnx")
    (given,) = runtime.get_inputs()
    (real,) = runtime.run(None, {given.name: session.subject.data.inputs["tokens"].numpy()})
    (batch,) = session.subject.eval_batches
    ours = session.subject.engine.output(session.preparer.sheet(recipe, Work()), batch).numpy()
    np.testing.assert_allclose(real, ours, atol=1e-4 * np.abs(ours).max())


def test_sizes_count_a_scale_for_each_row_and_a_tied_table_once():
    recipe = with_embeddings(preset("w8a8-pc"), "int8")
    alone = opened(words()).evaluate(recipe).size
    assert alone.quantized_bytes == 2 * (ROWS * WIDTH + 4 * ROWS)
    tied = opened(words(tied=True))
    assert tied.evaluate(recipe).size.quantized_bytes == ROWS * WIDTH + 4 * ROWS
    # of a shared table that one of its readers keeps float, the float values are stored
    assert tied.evaluate(preset("w8a8-pc")).size.quantized_bytes == 4 * ROWS * WIDTH


def test_only_the_rows_that_data_look_up_count():
    """Two tables that differ in rows which no sample looks up have the same errors, predicted and measured."""
    found = []
    for spoiled in (False, True):
        module = words()
        if spoiled:
            with torch.no_grad():  # what is never read is badly rounded
                module.embed.weight[20:] = torch.randn(ROWS - 20, WIDTH).pow(3) * 100
        session = opened(module, rows=20)
        recipe = with_embeddings(Recipe(), "int4")
        row = next(one for one in session.evaluate(recipe).layers if one.name == "embed")
        (predicted,) = [one.predicted for one in session.sensitivity(("w4a32-pc",)).rows if one.layer == "embed"]
        exact = session.sensitivity(("w4a32-pc",), mode="exact").rows
        found.append((row.output.sqnr_db, predicted, next(one.exact for one in exact if one.layer == "embed")))
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_the_error_of_what_is_looked_up_is_that_of_the_rows_as_often_as_they_occur():
    module = words()
    session = opened(module, rows=20)
    recipe = with_embeddings(Recipe(), "int4")
    tokens = session.subject.data.inputs["tokens"].flatten().numpy()
    table = module.embed.weight.detach().numpy().astype(np.float64)
    read, held = table[tokens], by_hand(table, 4)[tokens]
    expected = 10 * np.log10((read**2).sum() / ((read - held) ** 2).sum())
    (row,) = [one for one in session.evaluate(recipe).layers if one.name == "embed"]
    assert row.output.sqnr_db == pytest.approx(expected, abs=1e-3)


def test_predictions_of_tables_are_near_what_is_measured():
    session = opened(words(), count=64)
    predicted = session.sensitivity(("w4a32-pc",)).rows
    exact = session.sensitivity(("w4a32-pc",), mode="exact").rows
    one, two = (next(row for row in rows if row.layer == "embed") for rows in (predicted, exact))
    assert 0.5 < one.predicted / two.exact < 2
