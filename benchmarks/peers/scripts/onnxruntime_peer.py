"""ONNX Runtime's ``qdq_loss_debug``: activations of both models collected, weights and activations compared.

Arguments: the float ONNX model, data (.npz), samples per batch, repeats.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import onnx
import onnxruntime
from _common import against, batches, session, single_threaded, tell
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, qdq_loss_debug, quantize_static


class Reader(CalibrationDataReader):
    """Hands out batches."""

    def __init__(self, given):
        self._rest = iter(given)

    def get_next(self):
        return next(self._rest, None)


def main(model, data, size, repeats):
    """Time the flow and tell."""
    logging.disable(logging.WARNING)
    single_threaded(onnxruntime)
    given, plain = batches(data, size), session(onnxruntime, model)
    unoptimized = onnxruntime.SessionOptions()
    unoptimized.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the flow's default
    with tempfile.TemporaryDirectory() as folder:
        quantized, seen, seen_float = (str(Path(folder) / name) for name in ("q.onnx", "seen.onnx", "float.onnx"))
        quantize_static(
            model, quantized, Reader(given), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )  # fmt: skip

        def flow():
            found = []
            for path, into in ((model, seen_float), (quantized, seen)):
                qdq_loss_debug.modify_model_output_intermediate_tensors(path, into)
                found.append(qdq_loss_debug.collect_activations(into, Reader(given), session_options=unoptimized))
            weights = qdq_loss_debug.create_weight_matching(model, quantized)
            activations = qdq_loss_debug.create_activation_matching(found[1], found[0])
            return (
                qdq_loss_debug.compute_weight_error(weights),
                qdq_loss_debug.compute_activation_error(activations),
            )

        (seconds, own), (_, activations) = against(lambda: [plain.run(None, one) for one in given], flow, repeats)
    nodes = [node for node in onnx.load(model).graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    kinds = [(node.name, activations.get(node.output[0], {})) for node in nodes]
    tell(
        version=onnxruntime.__version__, seconds=seconds, float_pass=own, layers=len(nodes),
        scores={name: -found["xmodel_err"] for name, found in kinds if "xmodel_err" in found},
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
