"""AIMET's QuantAnalyzer: each operator's quantizers switched on alone, one evaluation each.

Arguments: the float ONNX model, data (.npz), samples per batch, repeats.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys

import onnx
import onnxruntime
from _common import against, batches, session, single_threaded, squared_error, tell


def main(model, data, size, repeats):
    """Time the analysis and tell."""
    single_threaded(onnxruntime)
    from aimet_onnx.common.defs import QuantScheme
    from aimet_onnx.quant_analyzer import QuantAnalyzer
    from aimet_onnx.quantsim import QuantizationSimModel

    logging.disable(logging.WARNING)
    given, proto = batches(data, size), onnx.load(model)
    plain = session(onnxruntime, model)

    def outputs(of):
        return [of.run(None, one)[0] for one in given]

    references = outputs(plain)
    sim = QuantizationSimModel(
        onnx.load(model), quant_scheme=QuantScheme.post_training_tf, providers=["CPUExecutionProvider"]
    )
    sim.compute_encodings(given)

    def error(of):
        return squared_error(references, outputs(of))

    analyzer = QuantAnalyzer(proto, None, lambda: None, error)
    (seconds, own), scores = against(
        lambda: outputs(plain), lambda: analyzer.perform_per_layer_analysis_by_enabling_quantizers(sim, None), repeats
    )
    layers = [node.name for node in proto.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    tell(
        version=importlib.metadata.version("aimet-onnx"), seconds=seconds, float_pass=own, layers=len(layers),
        measured=len(scores), scores={name: float(scores[name]) for name in layers if name in scores},
    )  # fmt: skip


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
