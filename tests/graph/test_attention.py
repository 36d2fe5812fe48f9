"""Attentions are found in models from every door, with the numbers that their caches hold."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import qdebug
from qdebug.recipes import AttentionPlan, Recipe, parse_cache_format, parse_probs_format
from tests.attentions import data, fused
from tests.doors.huggingface import zoo


@pytest.mark.parametrize(
    ("sample", "blocks", "channels", "head"), [("pydoc-gpt", 4, 160, 32), ("digits-vit", 4, 64, 16)]
)
def test_those_of_the_samples_are_written_out(sample, blocks, channels, head):
    session = qdebug.open(sample)
    found = session.info().attentions
    assert [one.name for one in found] == [f"blocks.{number}.attn" for number in range(blocks)]
    assert {(one.keys, one.values, one.head, one.fused) for one in found} == {(channels, channels, (head, head), False)}
    assert len(session.preparer.attention.causal) == (blocks if sample == "pydoc-gpt" else 0)


@pytest.mark.parametrize(
    ("name", "channels", "fused", "causal"),
    [
        ("llama", 16, True, 2),
        ("gpt2", 32, True, 2),
        ("bert", 32, True, 0),
        ("gemma2", 16, False, 2),
        ("t5", 32, True, 2),
    ],
)
def test_those_of_hugging_face_folders_have_the_heads_of_their_cache(tmp_path, name, channels, fused, causal):
    texts = zoo.lines(tmp_path / "t.jsonl", *[{"text": zoo.STORY[:60], "target": "a map"}] * 4)
    session = qdebug.open(zoo.save(name, tmp_path / "model"), data=texts)
    found = session.info().attentions
    assert len(found) == (6 if name == "t5" else 2)
    assert {(one.keys, one.values, one.head, one.fused) for one in found} == {(channels, channels, (8, 8), fused)}
    assert len(session.preparer.attention.causal) == causal
    plan = AttentionPlan(parse_cache_format("int4-tok", "keys"), parse_cache_format("int4-tok", "values"))
    recipe = Recipe(attention=plan)
    batch = session.subject.eval_batches[0]
    moved = (session.output(recipe, batch) - session.output(Recipe(), batch)).abs().max()
    assert 0 < moved < 1
    size = session.cache_size(recipe)
    assert (size is None) == (not causal)
    if size is not None:
        assert size.fp16_bytes == causal * 2 * channels * 2


def written(folder):
    """A file with one causal attention of two heads, as exporters of old write it: products, a mask that is added."""
    dice = np.random.default_rng(0)
    weights = {name: dice.normal(0, 0.5, (8, 8)).astype(np.float32) for name in ("wq", "wk", "wv")}
    weights["mask"] = np.triu(np.full((6, 6), -1e9, np.float32), 1)
    weights["root"] = np.array(2.0, np.float32)
    weights["heads"] = np.array([0, 6, 2, 4])
    nodes = []
    for name in "qkv":
        order = [0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]
        nodes += [
            helper.make_node("MatMul", ["x", f"w{name}"], [f"{name}0"], name=f"/{name}"),
            helper.make_node("Reshape", [f"{name}0", "heads"], [f"{name}1"]),
            helper.make_node("Transpose", [f"{name}1"], [name], perm=order),
        ]
    nodes += [
        helper.make_node("MatMul", ["q", "k"], ["raw"]), helper.make_node("Div", ["raw", "root"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mask"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["weights"], axis=-1, name="/attention/Softmax"),
        helper.make_node("MatMul", ["weights", "v"], ["y"]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "attention", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, 6, 4])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    path = folder / "attention.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_that_of_a_file_is_found_and_computed(tmp_path):
    x = np.random.default_rng(1).normal(size=(5, 6, 8)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x)
    session = qdebug.open(written(tmp_path), data=tmp_path / "data.npz")
    (one,) = session.info().attentions
    assert (one.name, one.keys, one.head, one.fused) == ("/attention/Softmax", 8, (4, 4), False)
    assert len(session.preparer.attention.causal) == 1
    recipe = Recipe(attention=AttentionPlan(values=parse_cache_format("int3-tok", "values")))
    state = {name: numpy_helper.to_array(one) for one in onnx.load(tmp_path / "attention.onnx").graph.initializer
             for name in [one.name]}  # fmt: skip
    q, k, v = (
        (x.astype(np.float64) @ state[name]).reshape(5, 6, 2, 4).transpose(0, 2, 1, 3) for name in ("wq", "wk", "wv")
    )
    scores = q @ k.swapaxes(-1, -2) / 2 + state["mask"]
    probs = np.exp(scores - scores.max(-1, keepdims=True))
    probs /= probs.sum(-1, keepdims=True)
    low, high = v.min(-1, keepdims=True), v.max(-1, keepdims=True)
    step = (high - low) / 7
    found = session.output(recipe, session.subject.eval_batches[0])
    np.testing.assert_allclose(found.numpy(), probs @ (np.round((v - low) / step) * step + low), atol=1e-4)


def test_a_softmax_over_classes_and_a_product_with_weights_are_none():
    class Gate(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.gate, self.out = torch.nn.Linear(6, 4), torch.nn.Linear(4, 3, bias=False)

        def forward(self, x):
            return (self.gate(x).softmax(-1) @ self.out.weight.T).softmax(-1)

    session = qdebug.open(Gate().eval(), data=(torch.randn(8, 6), torch.randint(0, 3, (8,))))
    assert session.info().attentions == ()


@pytest.mark.parametrize("form", ["causal", "gqa", "written out"])
def test_a_file_carries_probabilities_and_says_what_it_does_not(tmp_path, form):
    session = qdebug.open(fused(form), data=data())
    plan = AttentionPlan(keys=parse_cache_format("int4-tok", "keys"), probs=parse_probs_format("int8"))
    from qdebug.export import export, export_file

    found = export_file(session, Recipe(attention=plan), "onnx", tmp_path / "model.onnx")
    (said,) = [one for one in found.unsaid if "Attention computes with" in one]
    assert "keys int4 tok" in said and "probabilities" not in said
    graph = onnx.load(tmp_path / "model.onnx").graph
    made = {name: node for node in graph.node for name in node.output}
    (before,) = [made[node.input[0]] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert before.op_type in ("Softmax", "Where")  # torch's export takes NaN out behind a softmax
    both = Recipe(default=qdebug.recipes.parse_plan("w8a16"), attention=plan)
    assert any("keys int4 tok" in one for one in export(session, both, "torchao").unsaid)
