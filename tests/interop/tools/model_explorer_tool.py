"""Reads a node-data file with Model Explorer's own classes and finds its keys in the graph that it draws of a model.

Arguments: the file; a model (.onnx) or a module, a network class in it and an input's shape.
"""

import importlib
import json
import sys

from model_explorer.config import ModelExplorerConfig
from model_explorer.node_data_builder import GraphNodeData, ModelNodeData, NodeDataResult


def graphs_of(arguments):
    """The graphs that Model Explorer makes of a model."""
    if arguments[0].endswith(".onnx"):
        from model_explorer_onnx.main import ONNXAdapter

        return ONNXAdapter().convert(arguments[0], {})["graphs"]
    import torch
    from model_explorer.pytorch_exported_program_adapter_impl import PytorchExportedProgramAdapterImpl

    source, name, shape = arguments
    model = getattr(importlib.import_module(source), name)().eval()
    program = torch.export.export(model, (torch.zeros(json.loads(shape)),))
    return PytorchExportedProgramAdapterImpl(program, {"const_element_count_limit": 16}).convert()["graphs"]


def keys(graph):
    """What a node-data key may be: a node's id, or the name of a value it writes."""
    found = set()
    for node in graph.nodes:
        found.add(node.id)
        for metadata in node.outputsMetadata or []:
            found.update(one.value for one in metadata.attrs if one.key == "tensor_name")
    return found


if __name__ == "__main__":
    path, *model = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    given = json.loads(text)
    results = {key: NodeDataResult(**value) for key, value in given.pop("results").items()}
    data = GraphNodeData(results=results, **given)
    again = json.loads(ModelNodeData({"graph": data}).to_json_string())
    config = ModelExplorerConfig().add_node_data("ours", data)
    known = set().union(*(keys(graph) for graph in graphs_of(model)))
    told = {"again": again["graph"], "unknown": sorted(set(results) - known), "sources": config.node_data_sources}
    print(json.dumps(told))
