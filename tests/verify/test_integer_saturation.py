"""Pairs of products that saturate in 16 bits are counted, and are none where weights have seven bits."""

import numpy as np
import pytest
import torch

from qdebug.doors.onnx import from_proto
from qdebug.quantize.integer import Windows, convolution_sums
from qdebug.quantize.integer.saturation import saturating_pairs, unrolled
from qdebug.verify.integer import saturation
from tests.verify.networks import quantized, residual

pytestmark = pytest.mark.filterwarnings("ignore")


def counted(rows, weight):
    """By the definition, one pair at a time."""
    found = 0
    for row in rows.tolist():
        for column in weight.T.tolist():
            products = [a * b for a, b in zip(row, column, strict=True)]
            sums = [sum(products[at : at + 2]) for at in range(0, len(products), 2)]
            found += sum(not -(2**15) <= one <= 2**15 - 1 for one in sums)
    return found


@pytest.mark.parametrize("depth", [1, 2, 7, 12])
def test_pairs_are_neighbours_along_the_reduction(depth):
    rng = torch.Generator().manual_seed(depth)
    rows = torch.randint(150, 256, (40, depth), generator=rng, dtype=torch.uint8)
    weight = torch.randint(-128, 128, (depth, 6), generator=rng, dtype=torch.int8)
    found = saturating_pairs(rows, weight)
    assert found.total == 40 * 6 * -(-depth // 2)
    assert found.saturating == counted(rows, weight)
    assert depth == 1 or found.saturating > 0


def test_the_edges_of_sixteen_bits():
    weight = torch.tensor([[127, -128, 64], [2, -1, 64]], dtype=torch.int8)
    assert saturating_pairs(torch.tensor([[255, 191]], dtype=torch.uint8), weight).saturating == 1
    assert saturating_pairs(torch.tensor([[255, 255]], dtype=torch.uint8), weight).saturating == 2


@pytest.mark.parametrize("groups", [1, 2])
def test_an_unrolled_convolution_is_the_convolution(groups):
    rng = torch.Generator().manual_seed(groups)
    x = torch.randint(0, 256, (2, 4, 6, 5), generator=rng, dtype=torch.uint8)
    weight = torch.randint(-128, 128, (6, 4 // groups, 3, 2), generator=rng, dtype=torch.int8)
    windows = Windows((2, 1), (1, 2), (1, 0, 2, 1), groups)
    rows, factor = unrolled(x, weight, windows, 7)
    wanted = convolution_sums(x.float() - 7, weight.float(), windows)
    found = (rows.double() - 7) @ factor.double()
    found = found.unflatten(1, (2, *wanted.shape[2:])).movedim(-1, 1).movedim(2, 0).flatten(1, 2)
    torch.testing.assert_close(found, wanted.double(), rtol=0, atol=0)


@pytest.mark.parametrize("seven_bits", [False, True])
def test_layers_of_a_network(seven_bits, tmp_path):
    net, output = residual(0)
    model = quantized(net.model(output), net.feeds(1, 3), tmp_path, ActivationSymmetric=False)
    if seven_bits:
        for one in model.graph.initializer:
            if one.data_type == 3 and len(one.dims) > 1:
                one.raw_data = (np.frombuffer(one.raw_data, np.int8) // 2).tobytes()
    feeds = {"x": net.feeds(2)[0]["x"] * 10}  # codes at the ends of their range
    found = saturation(from_proto(model), feeds)
    layers = [node.name for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    assert sorted(one.node for one in found) == sorted(layers)
    assert (sum(one.saturating for one in found) == 0) == seven_bits
    assert all(0 <= one.saturating <= one.pairs for one in found)
