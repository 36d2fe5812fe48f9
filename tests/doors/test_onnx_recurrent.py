"""RNN, GRU and LSTM nodes: their products are layers, and the rest is what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from qdebug.graph.layers import find_layers
from tests.doors.onnx_graphs import by_door, by_runtime, lowered, model

SEQUENCE, BATCH, WIDTH, HIDDEN = 5, 3, 4, 6
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}
OUTPUTS = {"RNN": ["y", "h"], "GRU": ["y", "h"], "LSTM": ["y", "h", "c"]}


def node_of(op, rng, *, ways=1, given=(), **attributes):
    """A node, an example of its input, and its weights; ``given`` are the further inputs that it has."""
    gates = GATES[op] * HIDDEN
    lengths = rng.integers(1, SEQUENCE + 1, BATCH).astype(np.int32)
    lengths[0] = SEQUENCE
    everything = {
        "w": (ways, gates, WIDTH), "r": (ways, gates, HIDDEN), "bias": (ways, 2 * gates), "h0": (ways, BATCH, HIDDEN),
        "c0": (ways, BATCH, HIDDEN), "p": (ways, 3 * HIDDEN),
    }  # fmt: skip
    values = {key: rng.normal(size=size, scale=0.5).astype(np.float32) for key, size in everything.items()}
    values["lengths"] = lengths
    names = ["w", "r", "bias", "lengths", "h0", "c0", "p"] if op == "LSTM" else ["w", "r", "bias", "lengths", "h0"]
    kept = [name if name in (*given, "w", "r") else "" for name in names]
    node = helper.make_node(op, ["x", *kept], OUTPUTS[op], name="cell", hidden_size=HIDDEN, **attributes)
    x = rng.normal(size=(SEQUENCE, BATCH, WIDTH)).astype(np.float32)
    return node, {"x": x}, {name: values[name] for name in kept if name}


def held(node, inputs, constants, computed=()):
    """Hold the door against the runtime; ``computed`` weights are inputs of the model."""
    feeds = {**inputs, **{name: constants[name] for name in computed}}
    stored = {name: value for name, value in constants.items() if name not in computed}
    proto = model([node], feeds, list(node.output), stored)
    for ours, theirs in zip(by_door(proto, feeds), by_runtime(proto, feeds), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("given", [(), ("bias", "lengths"), ("bias", "lengths", "h0", "c0")])
@pytest.mark.parametrize("op", list(GATES))
def test_directions_lengths_and_first_states(op, given, direction):
    rng = np.random.default_rng(1)
    held(*node_of(op, rng, ways=1 + (direction == "bidirectional"), given=given, direction=direction))


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("RNN", {"activations": ["Relu"]}),
        ("RNN", {"activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [0.1]}),
        ("GRU", {"linear_before_reset": 1}),
        ("GRU", {"activations": ["HardSigmoid", "Softsign"], "linear_before_reset": 1}),
        ("GRU", {"clip": 0.3}),
        ("LSTM", {"clip": 0.25}),
        ("LSTM", {"input_forget": 1}),
        ("LSTM", {"activations": ["HardSigmoid", "ScaledTanh", "Tanh"], "activation_alpha": [0.3, 1.5],
                  "activation_beta": [0.4, 0.7]}),
        ("LSTM", {"activations": ["Sigmoid", "LeakyRelu", "Softplus"], "activation_alpha": [0.2]}),
    ],
)  # fmt: skip
def test_activations_clipping_and_coupled_gates(op, attributes):
    held(*node_of(op, np.random.default_rng(2), given=("bias",), **attributes))


def test_peepholes_look_at_the_cell_state_before_and_behind_the_step():
    rng = np.random.default_rng(3)
    held(*node_of("LSTM", rng, ways=2, given=("bias", "p", "c0", "h0"), direction="bidirectional"))


@pytest.mark.parametrize("op", list(GATES))
def test_weights_that_are_computed_give_the_same(op):
    rng = np.random.default_rng(4)
    node, inputs, constants = node_of(op, rng, ways=2, given=("bias", "lengths", "h0"), direction="bidirectional")
    held(node, inputs, constants, computed=("w", "r"))


@pytest.mark.parametrize("op", list(GATES))
def test_batches_first_is_the_same_turned_round(op):
    rng = np.random.default_rng(5)
    node, inputs, constants = node_of(op, rng, ways=2, given=("bias", "h0", "lengths"), direction="bidirectional")
    plain = by_door(model([node], inputs, list(node.output), constants), inputs)
    node.attribute.append(helper.make_attribute("layout", 1))
    turned = {"x": inputs["x"].swapaxes(0, 1).copy()}
    constants["h0"] = constants["h0"].swapaxes(0, 1).copy()
    first = by_door(model([node], turned, list(node.output), constants), turned)
    np.testing.assert_allclose(first[0], plain[0].transpose(2, 0, 1, 3), rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(first[1:], plain[1:], strict=True):
        np.testing.assert_allclose(ours, theirs.swapaxes(0, 1), rtol=1e-5, atol=1e-6)


def test_the_products_of_each_direction_are_layers_with_names_of_their_own():
    rng = np.random.default_rng(6)
    node, inputs, constants = node_of("LSTM", rng, ways=2, given=("bias",), direction="bidirectional")
    program = lowered(model([node], inputs, ["y"], constants))
    layers = find_layers(program, {index: tuple(tensor.shape) for index, tensor in program.state.items()})
    names = ["cell/W", "cell/R", "cell/W_reverse", "cell/R_reverse"]
    assert [layer.name for layer in layers] == names
    assert [program.steps[layer.step].name for layer in layers] == names
    np.testing.assert_array_equal(program.state[layers[2].weight].numpy(), constants["w"][1])
    np.testing.assert_array_equal(program.state[layers[3].weight].numpy(), constants["r"][1])


@pytest.mark.parametrize(("after", "rows"), [(0, [(0, 12), (12, 18)]), (1, [(0, 18)])])
def test_the_candidate_of_a_gru_has_a_layer_of_its_own_where_the_reset_comes_first(after, rows):
    rng = np.random.default_rng(7)
    node, inputs, constants = node_of("GRU", rng, given=("bias",), direction="reverse", linear_before_reset=after)
    program = lowered(model([node], inputs, ["y"], constants))
    layers = find_layers(program, {index: tuple(tensor.shape) for index, tensor in program.state.items()})[1:]
    assert [layer.name for layer in layers] == ["cell/R_reverse", "cell/R_candidate_reverse"][: len(rows)]
    (walk,) = {layer.loop for layer in layers}
    assert program.steps[walk].op == "recurrent.states" and [layer.turn for layer in layers] == [*range(len(rows))]
    for layer, (first, end) in zip(layers, rows, strict=True):
        np.testing.assert_array_equal(program.state[layer.weight].numpy(), constants["r"][0, first:end])
        np.testing.assert_array_equal(program.state[layer.bias].numpy(), constants["bias"][0, 18 + first : 18 + end])


def test_only_the_last_state_may_be_asked_for():
    rng = np.random.default_rng(8)
    node, inputs, constants = node_of("LSTM", rng, given=("bias",))
    node.output[:] = ["", "h"]
    proto = model([node], inputs, ["h"], constants)
    np.testing.assert_allclose(by_door(proto, inputs)[0], by_runtime(proto, inputs)[0], rtol=1e-5, atol=1e-6)
