"""Models that torch captured go the same way, by torch's own exporter, and keep the names of their layers."""

import importlib.util

import onnx
import pytest
import torch
from torch import nn

import qdebug
from qdebug.doors import load_sample
from qdebug.engine import Work
from qdebug.errors import ModelError
from qdebug.export import write_onnx
from qdebug.recipes import parse_fix, parse_plan, preset, set_layers, with_fix
from tests.export.running import ALL, NONE, assert_agree, by_runtime, sqnr
from tests.networks import Attention, Residual, data_for, seeded

SAMPLES = {"digits-mobilenet": "cle", "digits-resnet": "cle", "digits-vit": "smoothquant", "pydoc-gpt": "smoothquant"}


def sample(name):
    """A sample on a part of its data."""
    whole = load_sample(name)
    few = ({key: values[:32] for key, values in data.items()} for data in (whole.data, whole.calib))
    return qdebug.open(name, *few)


def batch_of(session, recipe):
    """Inputs, and the engine's output, of the first batch."""
    subject = session.subject
    batch = subject.eval_batches[0]
    output = subject.engine.output(session._preparer.sheet(recipe, Work()), batch)
    return {name: tensor.numpy() for name, tensor in batch.inputs.items()}, output.numpy()


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("short", ["w8a8-pc-all", "w4g32a16"])
def test_samples_compute_what_the_session_does(tmp_path, name, short):
    session = sample(name)
    recipe = with_fix(preset(short), parse_fix(SAMPLES[name]))
    write_onnx(session, recipe, tmp_path / "out.onnx")
    inputs, want = batch_of(session, recipe)
    (found,) = by_runtime(tmp_path / "out.onnx", inputs)
    # torch's operators and ONNX's sum in another order, which moves values that lie half-way between codes
    assert sqnr(found, want) > 30
    proto = onnx.load(tmp_path / "out.onnx")
    assert set(session.subject.by_name) <= {node.name for node in proto.graph.node}
    assert {value.type.tensor_type.shape.dim[0].dim_param for value in proto.graph.input} == {"batch"}


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize(
    "fixes", ["gptq", "adaround:iterations=30", "cle bias-correction", "awq gptq", "smoothquant:search=true"]
)
def test_what_fixes_found_is_what_is_written(tmp_path, kind, fixes):
    session, recipe = qdebug.open(seeded(kind), data_for(kind, 16)), preset("w4a8")
    for text in fixes.split():
        recipe = with_fix(recipe, parse_fix(text))
    write_onnx(session, recipe, tmp_path / "out.onnx")
    inputs, want = batch_of(session, recipe)
    (found,) = by_runtime(tmp_path / "out.onnx", inputs, NONE)
    assert sqnr(found, want) > 80


def test_integer_convolutions_of_a_sample_are_exactly_the_simulations(tmp_path):
    session = sample("digits-mobilenet")
    write_onnx(session, preset("w8a8-pc-all"), tmp_path / "out.onnx")
    inputs, want = batch_of(session, preset("w8a8-pc-all"))
    for level in (NONE, ALL):
        (found,) = by_runtime(tmp_path / "out.onnx", inputs, level)
        assert_agree(found, want)


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_modules_with_plans_of_their_own_for_layers(tmp_path, kind):
    session = qdebug.open(seeded(kind), data=data_for(kind))
    name = "dw" if kind is Residual else "down"
    recipe = set_layers(preset("w8a8-pc"), {name: parse_plan("w4a8")})
    write_onnx(session, recipe, tmp_path / "out.onnx")
    inputs, want = batch_of(session, recipe)
    (found,) = by_runtime(tmp_path / "out.onnx", inputs)
    assert_agree(found, want, 1e-4)
    proto = onnx.load(tmp_path / "out.onnx")
    node = next(one for one in proto.graph.node if one.name == name)
    codes = {one.name: one.data_type for one in proto.graph.initializer}
    dequantize = next(one for one in proto.graph.node if node.input[1] in one.output)
    assert codes[dequantize.input[0]] == onnx.TensorProto.INT4


def test_an_exported_program_on_disk(tmp_path):
    module, data = seeded(Residual), data_for(Residual)
    batch = torch.export.Dim("batch", min=2, max=1024)
    program = torch.export.export(module, (data["images"][:2],), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "in.pt2")
    session = qdebug.open(tmp_path / "in.pt2", data=data)
    write_onnx(session, preset("w8a8-pc"), tmp_path / "out.onnx")
    inputs, want = batch_of(session, preset("w8a8-pc"))
    assert_agree(by_runtime(tmp_path / "out.onnx", inputs)[0], want, 1e-4)


class Resists(nn.Module):
    """Takes the batch size apart, so that it is captured at a fixed one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 4)

    def forward(self, x):
        """``[32, 6]`` to ``[32, 4]``."""
        return self.layer(x) if int(x.shape[0]) == 32 else self.layer(x) * 0


def test_a_fixed_batch_size_is_said(tmp_path):
    torch.manual_seed(0)
    session = qdebug.open(Resists().eval(), data={"x": torch.randn(40, 6)})
    if session.subject.program.batch is None:
        pytest.skip("this torch captures it for any batch size")
    done = write_onnx(session, preset("w8a8"), tmp_path / "out.onnx")
    assert any("32 samples at a time" in sentence for sentence in done.unsaid)
    inputs, want = batch_of(session, preset("w8a8"))
    assert_agree(by_runtime(tmp_path / "out.onnx", inputs)[0], want, 1e-4)


def test_without_onnxscript_it_says_what_to_install(tmp_path, monkeypatch):
    session = qdebug.open(seeded(Residual), data=data_for(Residual))
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "onnxscript" else real(name, *more)
    )
    with pytest.raises(ModelError, match=r"needs the package onnxscript.*qdebug\[export\]"):
        write_onnx(session, preset("w8a8"), tmp_path / "out.onnx")


def test_a_layer_that_is_not_found_again_is_one_clear_error(tmp_path, monkeypatch):
    from qdebug.export.onnx import from_torch

    session = qdebug.open(seeded(Residual), data=data_for(Residual))
    monkeypatch.setattr(from_torch, "find_layers", lambda *_: ())
    with pytest.raises(ModelError, match=r"not found again in what torch exported \(layer stem\)"):
        write_onnx(session, preset("w8a8"), tmp_path / "out.onnx")
