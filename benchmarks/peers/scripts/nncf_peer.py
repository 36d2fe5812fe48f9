"""NNCF's accuracy control: its Ranker, which switches one group of quantizers off at a time, on OpenVINO.

The metric that it is given is the negative squared output error, so its order is that of errors and not of a few flips.
On ONNX models reverting groups fails in NNCF 3.4 where a quantizer is shared, so this is OpenVINO's conversion.
Arguments: the float ONNX model, data (.npz), samples per batch, repeats.
"""

from __future__ import annotations

import logging
import sys

import nncf
import onnx
import openvino
from _common import against, batches, squared_error, tell
from nncf.quantization.algorithms.accuracy_control.ranker import Ranker


def single_threaded():
    """Let every compiled model, NNCF's own too, work on one thread."""
    compiled = openvino.compile_model

    def on_one_thread(model, device_name="CPU", config=None):
        return compiled(model, device_name, {"INFERENCE_NUM_THREADS": 1} | (config or {}))

    openvino.compile_model = on_one_thread


def main(model, data, size, repeats):
    """Time the ranking and tell."""
    logging.disable(logging.WARNING)
    single_threaded()
    given, initial = batches(data, size), openvino.convert_model(model)
    dataset = nncf.Dataset(given)

    def outputs(of):
        return [of(one)[0] for one in given]

    plain = openvino.compile_model(initial)
    references = outputs(plain)

    def metric(of, items):
        del items  # all of them, in their order
        found = outputs(of)
        return -squared_error(references, found), [
            -squared_error([x], [y]) for x, y in zip(references, found, strict=True)
        ]

    found = {}
    rank = Ranker.rank_groups_of_quantizers

    def timed(ranker, groups, *others):
        timing, ranked = against(lambda: outputs(plain), lambda: rank(ranker, groups, *others), repeats)
        found.update(timing=timing, ranked=ranked)
        return ranked

    Ranker.rank_groups_of_quantizers = timed
    nncf.quantize_with_accuracy_control(
        initial, dataset, dataset, metric, max_drop=0.0, subset_size=len(given),
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
            max_num_iterations=1, num_ranking_workers=1, ranking_subset_size=len(given)
        ),
    )  # fmt: skip
    (seconds, own), ranked = found["timing"], found["ranked"]
    layers = [node.name for node in onnx.load(model).graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    scores = {
        op.node_name.removesuffix("/WithoutBiases"): place
        for place, group in enumerate(ranked)
        for op in group.operations
    }
    tell(
        version=nncf.__version__, seconds=seconds, float_pass=own, layers=len(layers), measured=len(ranked),
        scores={name: scores[name] for name in layers if name in scores},
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
