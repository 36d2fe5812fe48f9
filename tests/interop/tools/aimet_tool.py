"""Loads an encodings file into AIMET's simulation and tells what each quantizer became. Knows no qdebug.

Arguments: the float ONNX model, the file.
"""

import json
import sys

import onnx
from aimet_onnx.quantsim import QuantizationSimModel, load_encodings_to_sim

if __name__ == "__main__":
    model, document = sys.argv[1:]
    sim = QuantizationSimModel(onnx.load(model))
    load_encodings_to_sim(sim, document, strict=False)
    # A quantizer that the file does not name is switched off.
    told = {name: one.export_encodings("2.0.0") for name, one in sim.qc_quantize_op_dict.items() if one.enabled}
    print(json.dumps(told))
