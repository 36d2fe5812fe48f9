"""Converts a network to LiteRT, quantizes it with a recipe file and tells each layer's dtypes. Knows no qdebug.

Arguments: the recipe; a module and the name of a network class in it; the shape of an input, as JSON.
"""

import importlib
import json
import sys
import tempfile
from pathlib import Path

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_quantizer import quantizer
from ai_edge_quantizer.recipe_manager import RecipeManager

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def convert(source, name, shape, path):
    """A network as a float .tflite."""
    torch.manual_seed(0)
    model = getattr(importlib.import_module(source), name)().eval()
    litert_torch.convert(model, (torch.zeros(shape),)).export(path)


def dtypes(path):
    """The dtypes of input and weight of every layer, by the name of what it writes."""
    model = Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    tensors = {one["index"]: one for one in model.get_tensor_details()}
    widened = {op["outputs"][0]: op["inputs"][0] for op in model._get_ops_details() if op["op_name"] == "DEQUANTIZE"}

    def weight(op):
        place = op["inputs"][1]
        return tensors[widened.get(place, place)]

    return [
        {
            "op": op["op_name"],
            "writes": tensors[op["outputs"][0]]["name"],
            "x": np.dtype(tensors[op["inputs"][0]]["dtype"]).name,
            "weight": np.dtype(weight(op)["dtype"]).name,
            "scales": len(weight(op)["quantization_parameters"]["scales"]),
        }
        for op in model._get_ops_details()
        if op["op_name"] in LAYERS
    ]


if __name__ == "__main__":
    recipe, source, name, shape = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        plain, small = str(Path(folder) / "float.tflite"), str(Path(folder) / "small.tflite")
        convert(source, name, json.loads(shape), plain)
        work = quantizer.Quantizer(plain, recipe)
        measured = None
        if work.need_calibration:
            generator = np.random.default_rng(0)
            samples = [{"args_0": generator.standard_normal(json.loads(shape), np.float32)} for _ in range(8)]
            measured = work.calibrate({"serving_default": samples})
        work.quantize(measured).save(folder, "small", overwrite=True)
        manager = RecipeManager()
        manager.load_quantization_recipe(json.loads(Path(recipe).read_text(encoding="utf-8")))
        told = {"layers": dtypes(small), "entries": len(manager.get_quantization_recipe())}
    print(json.dumps(told))
