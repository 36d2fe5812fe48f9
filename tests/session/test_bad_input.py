"""Recipes and models that do not fit give one clear error, and NaN is a finding, never a scale."""

from __future__ import annotations

import zipfile

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from qdebug.errors import DataError, FileError, ModelError, NumericError, RecipeError, UsageError
from qdebug.export import write_onnx
from qdebug.recipes import LayerPlan, Recipe, TensorPlan, parse_plan, preset, set_layers
from qdebug.session import inspect
from qdebug.session import open as open_model
from qdebug.verify import verify
from tests.networks import Attention, Residual, data_for, seeded


@pytest.fixture(scope="module")
def session():
    return open_model(seeded(Residual), data_for(Residual))


def test_unknown_layer_lists_near_names(session):
    with pytest.raises(RecipeError, match="no layer 'steem'.*Did you mean stem"):
        session.score(set_layers(preset("w8a8"), {"steem": parse_plan("w4a8")}))


def test_recipe_for_another_model(session):
    other = msgspec.structs.replace(preset("w8a8"), model="0123456789abcdef")
    with pytest.raises(RecipeError, match="another model"):
        session.score(other)
    own = msgspec.structs.replace(preset("w8a8"), model=session.info().digest)
    assert session.score(own).metric.n == 24


def test_tokens_of_a_convolution(session):
    with pytest.raises(RecipeError, match="no tokens"):
        session.score(preset("w8a8-tok"))


def test_unknown_format(session):
    with pytest.raises(RecipeError, match="Unknown number format 'int99'"):
        session.score(Recipe(default=LayerPlan(TensorPlan("int99"))))


def test_unknown_layer_of_detail(session):
    with pytest.raises(RecipeError, match="Did you mean head"):
        session.detail(preset("w8a8"), "heat")


def test_nan_in_a_weight_names_the_layer():
    model = seeded(Residual)
    with torch.no_grad():
        model.pw.weight[0, 0] = float("nan")
    session = open_model(model, data_for(Residual))
    assert any("pw.weight" in finding for finding in session.info().findings)
    with pytest.raises(NumericError, match=r"1 NaN and 0 Inf.*pw.*\[8, 8, 1, 1\]"):
        session.score(preset("w8a8"))


def test_nan_in_calibration_names_the_layer():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            return self.second(torch.sqrt(self.first(x)))

    torch.manual_seed(0)
    data = {"x": torch.randn(16, 4), "labels": torch.randint(0, 3, (16,))}
    session = open_model(Root().eval(), data)
    with pytest.raises(NumericError, match="NaN.*second"):
        session.score(preset("w8a8"))
    weights_only = session.score(preset("w8a32"))
    assert weights_only.metric.n == 16


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_constant_tensors_are_findings(value):
    model = seeded(Residual)
    with torch.no_grad():
        model.dw.weight.fill_(value)
    session = open_model(model, data_for(Residual))
    kinds = {(f.layer, f.tensor, f.kind) for f in session.evaluate(preset("w8a8")).findings}
    assert ("dw", "weight", "all-zero" if value == 0 else "constant") in kinds


def test_data_for_a_module_are_needed():
    with pytest.raises(DataError, match="needs data"):
        open_model(seeded(Residual))


@pytest.mark.parametrize("given", [None, 5, {"default": "w8a8"}])
def test_what_is_no_recipe(session, given, tmp_path):
    for asked in (
        session.evaluate, session.score, session.layers, session.verdict,
        lambda one: write_onnx(session, one, tmp_path / "m.onnx"), lambda one: verify(session, one),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=r"is given where a recipe is wanted.*'w8a8'"):
            asked(given)


@pytest.mark.parametrize("given", [None, 5, 2.5, [1]])
def test_what_is_no_model_and_no_data(given):
    for opened in (open_model, inspect):
        with pytest.raises(UsageError, match=r"model cannot be (None|of the type \w+)\. Give a sample's name"):
            opened(given)
    if given is not None:
        said = r"data cannot be of the type \w+\. Give the path of an \.npz"
        with pytest.raises(UsageError, match="batch 0 .* is of the type int" if given == [1] else said):
            open_model("digits-mobilenet", given)


def test_a_pixel_s_label_out_of_range_names_the_pixel():
    labels = torch.zeros(4, 5, 6, dtype=torch.long)
    labels[0], labels[2, 3, 1] = 255, -7
    with pytest.raises(DataError, match=r"label of sample 2 at \[3, 1\] is -7.*0 to 2, or -100 for"):
        open_model(nn.Conv2d(2, 3, 1), {"input": torch.randn(4, 2, 5, 6), "labels": labels})


def test_labels_that_fit_nothing():
    data = data_for(Attention) | {"labels": torch.zeros(24, dtype=torch.long)}
    with pytest.raises(DataError, match=r"\[24\].*do not fit"):
        open_model(seeded(Attention), data)


def test_classes_that_are_no_whole_numbers():
    data = data_for(Residual)
    with pytest.raises(DataError, match=r"real numbers of shape \[24\], do not fit .*Classes are whole numbers"):
        open_model(seeded(Residual), data | {"labels": np.zeros(24, np.float32)})


def test_no_layers():
    with pytest.raises(ModelError, match="no layer"):
        open_model(nn.ReLU(), {"input": torch.randn(4, 4)})


def test_unknown_model_names(tmp_path):
    with pytest.raises(FileError, match="Did you mean digits-mobilenet"):
        open_model("digits-mobilnet")
    (tmp_path / "a.h5").write_bytes(b"")
    with pytest.raises(ModelError, match="not understood"):
        open_model(tmp_path / "a.h5", data_for(Residual))


def test_damaged_pt2(tmp_path):
    data = data_for(Residual)
    exported = torch.export.export(seeded(Residual), (data["images"],))
    whole = tmp_path / "model.pt2"
    torch.export.save(exported, whole)
    open_model(whole, data)
    for size in (0, 20, whole.stat().st_size // 2):
        cut = tmp_path / "cut.pt2"
        cut.write_bytes(whole.read_bytes()[:size])
        with pytest.raises(FileError, match="damaged|cannot be read"):
            open_model(cut, data)


def test_a_checkpoint_is_no_exported_program(tmp_path, capfd):
    file = tmp_path / "weights.pt2"
    torch.save(seeded(Residual).state_dict(), file)
    with pytest.raises(FileError, match=r"saved by torch\.save, not an exported program"):
        open_model(file, data_for(Residual))
    assert capfd.readouterr().err == ""


def test_torch_s_own_complaints_stay_out_of_sight(tmp_path, capfd):
    file = tmp_path / "odd.pt2"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("odd/models/model.json", '{"graph_module": {}}')
        for kind in ("weights", "constants"):
            archive.writestr(f"odd/data/{kind}/model_{kind}_config.json", '{"config": {}}')
    with pytest.raises(FileError, match="cannot be read") as caught:
        open_model(file, data_for(Residual))
    assert "above" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("wrong", "place"), [(77, 3), (-1, 5), (-100, 2)])
def test_labels_out_of_range_name_file_and_sample(tmp_path, wrong, place):
    data = {name: value.numpy() for name, value in data_for(Residual).items()}
    data["labels"][place] = wrong
    np.savez(tmp_path / "data.npz", **data)
    with pytest.raises(DataError, match=rf"label of sample {place} is {wrong}") as caught:
        open_model(seeded(Residual), tmp_path / "data.npz")
    assert "data.npz" in str(caught.value)
    assert "0 to 4" in str(caught.value)


def test_what_cannot_be_captured_is_explained():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x):
            return self.linear(x) if x.sum() > 0 else -self.linear(x)

    data = {"x": torch.randn(8, 4), "labels": torch.randint(0, 3, (8,))}
    with pytest.raises(ModelError, match=r"cannot capture Branching"):
        open_model(Branching().eval(), data)
