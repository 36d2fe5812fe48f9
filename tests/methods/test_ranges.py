"""By how much rows of an output change with errors of the weights: against the outputs themselves."""

from __future__ import annotations

import pytest
import torch

from qdebug.methods.ranges import row_changes


@pytest.mark.parametrize(("groups", "columns"), [(1, 5), (1, 256), (1, 700), (3, 257)])
def test_changes_of_rows_are_those_of_the_outputs(groups, columns):
    torch.manual_seed(columns)
    x = torch.randn(groups, 40, columns, dtype=torch.float64)
    off = torch.randn(groups * 4, columns)
    hessian = x.mT @ x / x.shape[1]
    outputs = torch.stack([x[row // 4] @ off[row].double() for row in range(len(off))])
    assert torch.allclose(row_changes(off, hessian), outputs.square().mean(1), rtol=1e-12)
