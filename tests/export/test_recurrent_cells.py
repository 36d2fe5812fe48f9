"""Recurrent cells in files: left as they are, which is said, while the layers around them are written."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import qdebug
from qdebug.engine import Work
from qdebug.export import export, export_file
from qdebug.recipes import Gptq, parse_format, preset, set_layers, with_fix
from qdebug.recipes.plan import FLOAT_LAYER


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.before, self.lstm, self.head = nn.Linear(6, 8), nn.LSTM(8, 9, batch_first=True), nn.Linear(9, 5)

    def forward(self, x):
        return self.head(self.lstm(torch.relu(self.before(x)))[0].mean(1))


@pytest.fixture
def session():
    torch.manual_seed(0)
    return qdebug.open(Tagger().eval(), {"x": torch.randn(24, 7, 6, generator=torch.Generator().manual_seed(1))})


INSIDE = ("lstm.weight_ih_l0", "lstm.weight_hh_l0")


@pytest.mark.parametrize("fixes", [(), (Gptq(),)])
@pytest.mark.filterwarnings("ignore")
def test_an_onnx_file_has_the_cell_in_float_and_the_other_layers_as_decided(session, fixes, tmp_path):
    recipe = set_layers(preset("w8a8-pc"), {"lstm.weight_hh_l0": parse_format("w4a16")})
    for fix in fixes:
        recipe = with_fix(recipe, fix)
    done = export_file(session, recipe, "onnx", tmp_path / "out.onnx")
    assert any(all(name in sentence for name in INSIDE) for sentence in done.unsaid)
    runtime = onnxruntime.InferenceSession(tmp_path / "out.onnx")
    (given,) = runtime.get_inputs()
    (real,) = runtime.run(None, {given.name: session.subject.data.inputs["x"].numpy()})
    left = set_layers(recipe, dict.fromkeys(INSIDE, FLOAT_LAYER))
    (batch,) = session.subject.eval_batches
    ours, all_of_it, float_ = (
        session.subject.engine.output(sheet, batch).numpy()
        for sheet in (
            session.preparer.sheet(left, Work()), session.preparer.sheet(recipe, Work()), session.preparer.float_sheet,
        )
    )  # fmt: skip
    # within a few codes of an activation; and nearer to that than to what the whole recipe gives
    assert np.abs(real - ours).max() < 0.02 * np.abs(float_).max()
    assert np.linalg.norm(real - ours) < 0.5 * np.linalg.norm(real - all_of_it)


@pytest.mark.parametrize("target", ["torchao", "aimet-1", "aimet-2"])
def test_other_files_do_not_name_matrices_that_tools_do_not_know(session, target):
    document = export(session, "w8a8-pc", target)
    assert not any(name in document.text for name in INSIDE) and "head" in document.text
    assert any(all(name in sentence for name in INSIDE) for sentence in document.unsaid)
