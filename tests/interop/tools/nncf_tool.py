"""Runs ``nncf.quantize`` with a file of arguments, on an ONNX model and on OpenVINO's conversion of it.

Arguments: the float ONNX model, the file, calibration data (.npz with the input x). Knows no qdebug.
"""

import json
import sys

import nncf
import numpy as np
import onnx
import openvino
from nncf.common.quantization.structs import QuantizationScheme
from nncf.quantization.advanced_parameters import (
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
    OverflowFix,
    QuantizationParameters,
)
from nncf.quantization.range_estimator import (
    AggregatorType,
    RangeEstimatorParameters,
    StatisticsCollectorParameters,
    StatisticsType,
)


def collector(given):
    kinds = {"statistics_type": StatisticsType, "aggregator_type": AggregatorType}
    return StatisticsCollectorParameters(**{k: kinds[k](v) if k in kinds else v for k, v in given.items()})


def advanced(given):
    """The file's advanced parameters with NNCF's own types in the place of their names."""
    made = dict(given, overflow_fix=OverflowFix(given["overflow_fix"]))
    made["smooth_quant_alphas"] = AdvancedSmoothQuantParameters(**given["smooth_quant_alphas"])
    for key in ("activations", "weights"):
        plan = given[f"{key}_quantization_params"]
        made[f"{key}_quantization_params"] = QuantizationParameters(**plan | {"mode": QuantizationScheme(plan["mode"])})
        ends = given[f"{key}_range_estimator_params"]
        made[f"{key}_range_estimator_params"] = RangeEstimatorParameters(
            min=collector(ends["min"]), max=collector(ends["max"])
        )
    return AdvancedQuantizationParameters(**made)


def quantize(model, given, items):
    return nncf.quantize(
        model,
        nncf.Dataset(items),
        subset_size=len(items),
        preset=nncf.QuantizationPreset(given["quantize"]["preset"]),
        fast_bias_correction=given["quantize"]["fast_bias_correction"],
        ignored_scope=nncf.IgnoredScope(**given["ignored_scope"]),
        advanced_parameters=advanced(given["quantize"]["advanced_parameters"]),
    )


def onnx_weights(model):
    """Of each layer, whether its weight is read through a DequantizeLinear, and how many scales that has."""
    stored = {one.name: one for one in model.graph.initializer}
    made = {one.output[0]: one for one in model.graph.node}
    found = {}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            source = made.get(node.input[1])
            scales = onnx.numpy_helper.to_array(stored[source.input[1]]).size if source is not None else 0
            found[node.name] = scales
    return found


def openvino_weights(model):
    """The same of OpenVINO's model: whether the weight's constant is int8."""
    found = {}
    for op in model.get_ordered_ops():
        if op.get_type_name() in ("Convolution", "MatMul"):
            source, name = op.input_value(1).get_node(), op.get_friendly_name()
            while source.get_type_name() != "Constant":
                source = source.input_value(0).get_node()
            found[name] = source.get_element_type().to_string()
    return found


if __name__ == "__main__":
    path, document, data = sys.argv[1:]
    with open(document, encoding="utf-8") as file:
        value = json.load(file)
    x = np.load(data)["x"]
    in_onnx = quantize(onnx.load(path), value, [{"x": one[None]} for one in x])
    in_openvino = quantize(openvino.convert_model(path), value, [one[None] for one in x])
    told = {"onnx": onnx_weights(in_onnx), "openvino": openvino_weights(in_openvino)}
    print("\n" + json.dumps(told))
