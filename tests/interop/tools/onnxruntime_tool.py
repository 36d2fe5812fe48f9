"""Runs ``quantize_static`` with a file of arguments and tells which values got which scale. Knows no qdebug.

Arguments: the float model, the file, calibration data (.npz), where the quantized model goes.
"""

import json
import sys

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static


class Reader(CalibrationDataReader):
    def __init__(self, path):
        with np.load(path) as arrays:
            self.batches = iter([dict(arrays)])

    def get_next(self):
        return next(self.batches, None)


def arguments(path):
    """The file's arguments with the tool's own types in the place of their names."""
    with open(path, encoding="utf-8") as file:
        given = json.load(file)["quantize_static"]
    given["quant_format"] = QuantFormat[given["quant_format"]]
    given["calibrate_method"] = CalibrationMethod[given["calibrate_method"]]
    for key in ("activation_type", "weight_type"):
        given[key] = QuantType.from_string(given[key])
    for entries in given["extra_options"]["TensorQuantOverrides"].values():
        for entry in entries:
            entry["quant_type"] = QuantType.from_string(entry["quant_type"])
            # Numbers alone fail: it calls .squeeze() on them.
            dtype = onnx.helper.tensor_dtype_to_np_dtype(entry["quant_type"].tensor_type)
            entry["scale"] = np.array(entry["scale"], np.float32)
            entry["zero_point"] = np.array(entry["zero_point"], dtype)
    return given


def quantizers(model):
    """Scale and zero point of every value that is quantized, by its name in the float model."""
    stored = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        name = node.input[0]
        for ending in ("_QuantizeLinear_Output", "_QuantizeLinear_Input", "_quantized"):
            name = name.removesuffix(ending)
        axis = next((one.i for one in node.attribute if one.name == "axis"), None)
        scale, zero = (np.atleast_1d(stored[place]).astype(float).tolist() for place in node.input[1:3])
        found[name] = {"scale": scale, "zero_point": zero, "dtype": str(stored[node.input[2]].dtype), "axis": axis}
    return found


if __name__ == "__main__":
    model, document, data, result = sys.argv[1:]
    quantize_static(model, result, Reader(data), **arguments(document))
    print(json.dumps(quantizers(onnx.load(result))))
