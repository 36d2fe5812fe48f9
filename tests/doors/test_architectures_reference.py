"""The exported networks are what the door's tests take them for: torch and ONNX Runtime agree on them."""

from __future__ import annotations

import numpy as np
import onnx
import torch

from tests.doors.architectures import OPSETS, ZOO, detector
from tests.doors.architectures.cases import every_network
from tests.doors.architectures.counts import layers_in


@every_network
def test_torch_and_onnx_runtime_agree(exported, name, opset):
    file = exported(name, opset)
    assert tuple(file.reference) == tuple(file.torch) == ZOO[name].outputs
    for output, expected in file.torch.items():
        given = file.reference[output]
        assert given.shape == expected.shape and given.dtype == expected.dtype
        np.testing.assert_allclose(given, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@every_network
def test_the_file(exported, name, opset):
    model = onnx.load(exported(name, opset).path)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": opset}
    assert layers_in(model) == ZOO[name].layers
    assert model.ByteSize() < 2**20
    for given in model.graph.input:
        assert given.type.tensor_type.shape.dim[0].dim_param, "the batch is open"


@every_network
def test_outputs_depend_on_the_inputs(exported, name, opset):
    for output, values in exported(name, opset).torch.items():
        assert np.isfinite(values).all() and values.size > 8
        assert 0.1 < np.abs(values).max() < 200, "neither dead nor exploding"
        if values.dtype.kind == "f":
            # Samples differ by more than rounding; recurrent states have the samples on their second axis.
            axis = 1 if output == "last" else 0
            assert values.std(axis).mean() > 0.02 * np.abs(values).max()


def test_every_opset_is_covered_each_time():
    assert {opset for zoo in ZOO.values() for opset in zoo.opsets} == set(OPSETS)


def test_rounding_errors_change_none_of_the_detectors_choices(exported):
    """Scores and boxes that another implementation computes are off by some 1e-6; the boxes kept stay the same."""
    file = exported("detector", 18)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        boxes, scores = ZOO["detector"].build().candidates(torch.from_numpy(file.inputs["images"]))
    kept = torch.from_numpy(file.torch["kept"])
    assert 0 < len(kept) < (scores > detector.SCORE).sum(), "some are suppressed"
    for _ in range(20):
        moved = [x * (1 + 1e-5 * torch.randn(x.shape, generator=generator)) for x in (boxes, scores)]
        assert torch.equal(detector.suppress(*moved), kept)
