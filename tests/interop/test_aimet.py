"""AIMET's simulation takes every encoding as it was decided, and switches off what has none."""

import pytest

from qdebug.export import export, save
from tests.export.recipes import RECIPES


@pytest.mark.parametrize("name", ["tensor", "all", "symmetric-all", "one-in-groups", "four-bits"])
@pytest.mark.parametrize("version", ["aimet-1", "aimet-2"])
def test_it_simulates_what_was_decided(version, name, run_tool, network, tmp_path):
    model, _, session = network
    told = run_tool("aimet", model, save(export(session, RECIPES[name], version), tmp_path))
    decided = session.decided(RECIPES[name])
    tensors = [one for layer in decided.layers for one in (layer.weight, layer.activation)] + list(decided.points)
    wanted = {one.name: one for one in tensors if one.grid is not None}
    if version == "aimet-2":  # what a Flatten hands on is quantized where it comes from
        wanted["g"] = wanted.pop("f")
    assert set(told) == set(wanted)
    for key, tensor in wanted.items():
        grid, got = tensor.grid, told[key]
        assert got["output_dtype"] == f"{'' if grid.qmin < 0 else 'u'}int{(grid.qmax - grid.qmin).bit_length()}"
        scale = grid.scale.flatten() if tensor.plan.granularity != "group" else grid.scale.T.flatten()
        assert flat(got["y_scale"]) == scale.tolist()
        assert flat(got.get("y_zero_point", 0)) in ([0], grid.zero_point.flatten().tolist())
        assert bool(grid.zero_point.any()) == ("y_zero_point" in got)
        if tensor.plan.granularity == "channel":
            assert got["axis"] == (1 if key == "w3" else 0)
        if tensor.plan.granularity == "group":
            assert (got["axis"], got["block_size"]) == (0, 4)


def flat(value):
    """A number or nested lists of them as one list."""
    return [one for part in value for one in flat(part)] if isinstance(value, list) else [value]
