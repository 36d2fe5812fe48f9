"""Recurrent cells in low precision: what the session gives is what a slow loop in float64 and runtimes give."""

from __future__ import annotations

import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper, save
from torch import nn

import qdebug
from qdebug.engine import Work
from qdebug.recipes import Recipe, parse_format, preset, set_layers, with_fix
from qdebug.recipes.fixes import BiasCorrection, Gptq
from qdebug.search.predict.tape import Looks, Tape
from qdebug.session import open as open_model

STEPS, WIDTH, HIDDEN = 6, 10, 9


class Sequence(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)[0]


def recurrent(kind, **settings):
    torch.manual_seed(5)
    return Sequence(kind(WIDTH, HIDDEN, batch_first=True, **settings)).eval()


def inputs(count=7, seed=6):
    return torch.randn(count, STEPS, WIDTH, generator=torch.Generator().manual_seed(seed)) * 1.5


def simulated(session, recipe):
    found = [
        session.subject.engine.output(session.preparer.sheet(recipe, Work()), batch)
        for batch in session.subject.eval_batches
    ]
    return torch.cat(found)


def plain(text):
    return Recipe(default=parse_format(text))


# A slow reference: numpy in float64, one sample, one step, one row at a time.


def rounded_rows(weight):
    scale = np.abs(weight).max(1, keepdims=True) / 127
    return np.clip(np.round(weight / scale), -127, 127) * scale


def rounded_values(x, bits=8):
    """Affine, min-max of the values at hand with zero in it."""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    if low == high:
        return x
    scale = np.float64(np.float32(np.float32(high - low) / np.float32(2**bits - 1)))
    zero = np.round(-(2 ** (bits - 1)) - low / scale)
    codes = np.clip(np.round(x / scale) + zero, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return (codes - zero) * scale


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slow(module, x, gates):
    w, r, wb, rb = (one.detach().double().numpy() for one in module.inner._flat_weights)
    w, r = rounded_rows(w), rounded_rows(r)
    found = []
    for sample in x.double().numpy():
        h = c = np.zeros(HIDDEN)
        given = rounded_values(sample) @ w.T + wb
        found.append([])
        for now in given:
            h, c = gates(now, r @ rounded_values(h) + rb, h, c)
            found[-1].append(h)
    return np.array(found)


def lstm_gates(ours, theirs, _, c):
    i, f, g, o = np.split(ours + theirs, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_gates(ours, theirs, h, c):
    (r, z, n), (rr, zz, nn_) = np.split(ours, 3), np.split(theirs, 3)
    n = np.tanh(n + sigmoid(r + rr) * nn_)
    return (1 - sigmoid(z + zz)) * n + sigmoid(z + zz) * h, c


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, lstm_gates), (nn.GRU, gru_gates)])
def test_dynamic_int8_is_what_a_slow_loop_gives(kind, gates):
    module, x = recurrent(kind), inputs()
    session = open_model(module, x)
    found = simulated(session, plain("w8a8-pc-dyn")).double().numpy()
    # a value half between two codes may go to either side in float32, and what follows is moved by it
    expected, error = slow(module, x, gates), np.abs(found - module(x).detach().double().numpy()).max()
    assert np.abs(found - expected).max() < 1e-5 < error / 100


def test_a_sample_has_the_same_answer_in_any_batch():
    module, x = recurrent(nn.LSTM), inputs(40)
    one, many = open_model(module, x[:1]), open_model(module, x)
    recipe = plain("w8a8-pc-dyn")
    torch.testing.assert_close(simulated(one, recipe)[0], simulated(many, recipe)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("engine", "bits"), [("fbgemm", 7), ("qnnpack", 8)])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_torch_s_own_dynamic_cells_give_the_same(kind, engine, bits):
    """fbgemm leaves one bit of the inputs unused, so that products do not saturate; qnnpack does not.

    torch's weights lie on absmax / 127.5, so they are put into the float model: only the inputs are left to differ.
    """
    if engine not in torch.backends.quantized.supported_engines:
        pytest.skip(f"this torch has no {engine}")
    before = torch.backends.quantized.engine
    try:
        torch.backends.quantized.engine = engine
        module, x = recurrent(kind), inputs(4)
        float_ = module(x)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            real = torch.ao.quantization.quantize_dynamic(module, {kind}, dtype=torch.qint8)
        with torch.no_grad():
            for name, weight in real.inner.get_weight().items():
                getattr(module.inner, name).copy_(weight.dequantize())
            expected = torch.cat([real(one[None]) for one in x])
    finally:
        torch.backends.quantized.engine = before
    found = simulated(open_model(module, x), plain(f"w32a{bits}-dyn"))
    error, difference = (expected - float_).norm(), (found - expected).norm()
    assert difference < error / 20


def per_channel(weight):
    """Codes ``[1, in, out]`` and scales ``[1, out]``, as DynamicQuantizeLSTM reads them."""
    scale = np.abs(weight).max(1) / 127
    return np.round(weight / scale[:, None]).T.astype(np.int8)[None], scale.astype(np.float32)[None]


def test_onnx_runtime_s_dynamic_lstm_gives_the_same(tmp_path):
    rng = np.random.default_rng(8)
    shapes = {"w": (1, 4 * HIDDEN, WIDTH), "r": (1, 4 * HIDDEN, HIDDEN), "b": (1, 8 * HIDDEN)}
    stored = {name: rng.normal(size=shape, scale=0.5).astype(np.float32) for name, shape in shapes.items()}
    x = rng.normal(size=(5, STEPS, WIDTH)).astype(np.float32)

    def graph(node, constants, batch):
        turn = helper.make_node("Transpose", ["x"], ["turned"], perm=[1, 0, 2])
        back = helper.make_node("Transpose", ["y"], ["out"], perm=[2, 0, 1, 3])
        values = [numpy_helper.from_array(value, name) for name, value in constants.items()]
        shape, out = [batch, STEPS, WIDTH], [batch, STEPS, 1, HIDDEN]
        made = helper.make_graph(
            [turn, node, back], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, out)], values,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(made, opset_imports=opsets, ir_version=9)

    node = helper.make_node("LSTM", ["turned", "w", "r", "b"], ["y"], name="cell", hidden_size=HIDDEN)
    save(graph(node, stored, "N"), tmp_path / "float.onnx")
    (w, ws), (r, rs) = per_channel(stored["w"][0]), per_channel(stored["r"][0])
    zero = np.zeros((1, 4 * HIDDEN), np.int8)
    node = helper.make_node(
        "DynamicQuantizeLSTM", ["turned", "wq", "rq", "b", "", "", "", "", "ws", "wz", "rs", "rz"], ["y"],
        hidden_size=HIDDEN, domain="com.microsoft",
    )  # fmt: skip
    constants = {"wq": w, "rq": r, "b": stored["b"], "ws": ws, "wz": zero, "rs": rs, "rz": zero}
    runtime = onnxruntime.InferenceSession(graph(node, constants, 1).SerializeToString())
    expected = np.concatenate([runtime.run(None, {"x": one[None]})[0] for one in x])
    session = open_model(tmp_path / "float.onnx", {"x": x})
    assert [layer.name for layer in session.info().layers] == ["cell/W", "cell/R"]
    float_ = simulated(session, plain("w32a32")).numpy()
    found = simulated(session, plain("w8a8-pc-dyn")).numpy()
    error, difference = np.linalg.norm(expected - float_), np.linalg.norm(found - expected)
    assert difference < error / 20


def test_the_recurrent_matrix_alone_can_be_quantized():
    module, x = recurrent(nn.GRU), inputs()
    session = open_model(module, x)
    alone = set_layers(plain("w32a32"), {"inner.weight_hh_l0": parse_format("w4a32-pc")})
    with torch.no_grad():
        weight = module.inner.weight_hh_l0
        scale = weight.abs().amax(1, keepdim=True) / 7
        weight.copy_((weight / scale).round() * scale)
    torch.testing.assert_close(simulated(session, alone), module(x), rtol=1e-5, atol=1e-6)


def test_calibration_sees_the_states_of_all_steps():
    module, x = recurrent(nn.LSTM), inputs()
    session = open_model(module, x)
    before = torch.cat([torch.zeros(len(x), 1, HIDDEN), module(x)[:, :-1].detach()], 1)
    recipe = preset("w8a8")
    quant = session.preparer.sheet(recipe, Work()).quants[session.subject.layer("inner.weight_hh_l0").step]
    span = float(before.max() - before.min())
    assert float(quant.activation.scale) == pytest.approx(span / 255, rel=1e-4)


def test_gradients_at_products_go_through_all_steps_behind_them():
    """The projections of predictions are made of them: Σ g·hᵀ over steps is what torch says of the weight."""
    module, x = recurrent(nn.LSTM), inputs(5)
    session = open_model(module, x)
    subject = session.subject
    layer = subject.layer("inner.weight_hh_l0")
    met = {}

    def outputs(given, gradient):
        met["weight"] = gradient.t() @ given

    def read(given, gradient):
        met["input"] = given, gradient

    looks = Looks({layer.step: read}, {layer.step: outputs}, {})
    recorded = Tape(subject.engine).record(session.preparer.float_sheet, subject.eval_batches[0], looks, lambda: None)
    cotangent = torch.randn(recorded.output.shape, generator=torch.Generator().manual_seed(2))
    recorded.back(cotangent, again=False)
    (expected,) = torch.autograd.grad(module(x), (module.inner.weight_hh_l0,), cotangent)
    torch.testing.assert_close(met["weight"], expected, rtol=1e-4, atol=1e-5)
    given, gradient = met["input"]
    assert given.shape == gradient.shape == (5 * STEPS, HIDDEN)


def test_predictions_are_near_what_is_measured():
    module = recurrent(nn.LSTM, bidirectional=True)
    session = qdebug.open(module, inputs(32))
    for text in ("w4a32-pc", "w32a6-dyn"):
        predicted = session.sensitivity((text,)).rows
        exact = session.sensitivity((text,), mode="exact").rows
        for one, two in zip(predicted, exact, strict=True):
            assert 0.6 < one.predicted / two.exact < 1.6, (text, one.layer)


@pytest.mark.parametrize("fix", [Gptq(), BiasCorrection()])
def test_fixes_find_the_states_of_the_cell_as_inputs_of_a_layer(fix):
    mixed = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(1)) * 2.0 ** -torch.arange(WIDTH)
    session = open_model(recurrent(nn.LSTM), inputs(64) @ mixed.t() + 1)  # what hangs together, and has a mean
    base = plain("w3a32-pc")
    float_ = simulated(session, plain("w32a32"))
    errors = [float((simulated(session, one) - float_).square().mean()) for one in (base, with_fix(base, fix))]
    assert errors[1] < 0.8 * errors[0]


def test_the_table_has_one_row_for_each_matrix_and_sizes_count_it_once():
    module, x = recurrent(nn.GRU), inputs()
    evaluation = open_model(module, x).evaluate(plain("w8a8-dyn"))
    assert [layer.name for layer in evaluation.layers] == ["inner.weight_ih_l0", "inner.weight_hh_l0"]
    assert all(layer.weight.sqnr_db > 30 and layer.activation.sqnr_db > 30 for layer in evaluation.layers)
    codes = 3 * HIDDEN * (WIDTH + HIDDEN)
    assert evaluation.size.quantized_bytes == codes + 2 * 4 + 4 * 6 * HIDDEN
