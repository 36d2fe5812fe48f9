"""Model Explorer reads the node data, and every key in them is a node of the graph that it draws."""

import json

import pytest

from qdebug.export import export, save

FILES = ["model-explorer", "model-explorer-formats", "model-explorer-shares"]


@pytest.mark.parametrize("target", FILES)
def test_a_pytorch_network(target, run_tool, residual, tmp_path):
    document = export(residual, "w4a8", target)
    told = run_tool("model-explorer", save(document, tmp_path), "tests.networks", "Residual", json.dumps([4, 3, 8, 8]))
    ours = json.loads(document.text)
    assert told["unknown"] == []
    assert told["again"].items() >= ours.items()
    assert len(ours["results"]) == 4


@pytest.mark.parametrize("target", FILES)
def test_an_onnx_file(target, run_tool, network, tmp_path):
    model, _, session = network
    told = run_tool("model-explorer", save(export(session, "w4a8", target), tmp_path), model)
    assert told["unknown"] == []
    assert set(told["again"]["results"]) == {"conv1", "conv2", "mix", "head"}
