"""OpenVINO on the CPU (x86-64): documented, and found by trying version 2026.4, to which tests hold this card."""

from __future__ import annotations

from qdebug.targets.accepts import Accepts
from qdebug.targets.kernel import Fact, Kernel
from qdebug.targets.platform import Platform

_DEVICE = (
    "https://docs.openvino.ai/2024/openvino-workflow/running-inference/inference-devices-and-modes/cpu-device.html"
)
_LPT = "https://docs.openvino.ai/latest/openvino_docs_OV_UG_lpt.html"
_LOW = "https://docs.openvino.ai/2024/documentation/openvino-ir-format/intermediate-representation-int8-inference.html"
_COMPRESS = "https://github.com/openvinotoolkit/nncf/blob/develop/docs/compression_algorithms/CompressWeights.md"
_TRIED = "targets/test_runtimes.py"
_CHANGES = "https://pyup.io/changelogs/nncf/"
_BYTES = ("int8", "uint8", "int8_narrow")
_FLOATS = Accepts(formats=("fp32", "bf16", "fp16"))

OPENVINO = Platform(
    name="openvino-cpu",
    title="OpenVINO (CPU)",
    kernels=(
        Kernel(
            kinds=("conv", "depthwise", "matmul"),
            weight=Accepts(formats=_BYTES, sharing=("tensor", "channel"), zero="fixed"),
            activation=Accepts(formats=("int8", "uint8")),
            arithmetic="int8",
            fact=Fact("both inputs quantized: u8 or i8 activations, i8 weights", _LOW),
        ),
        Kernel(
            kinds=("conv-transpose",),
            weight=Accepts(formats=_BYTES, sharing=("tensor", "channel"), zero="fixed"),
            activation=Accepts(formats=("int8", "uint8"), zero="fixed"),
            arithmetic="int8",
            fact=Fact(
                "the same, but only where the activation's zero point is 0",
                _LOW,
                f"{_TRIED}::test_integers_in_openvino",
            ),
        ),
        Kernel(
            kinds=("conv", "depthwise", "conv-transpose", "matmul", "embedding"),
            weight=Accepts(formats=_BYTES, sharing=("channel",)),
            activation=_FLOATS,
            fact=Fact("weights alone in 8 bits per channel, with or without a zero point", _COMPRESS),
        ),
        Kernel(
            kinds=("matmul", "embedding"),
            weight=Accepts(formats=("int4", "uint4", "nf4"), sharing=("channel", "group"), whole=True),
            activation=_FLOATS,
            fact=Fact(
                "weights alone in 4 bits per channel or group that fills the row; embeddings if all layers are "
                "asked for",
                _COMPRESS,
            ),
        ),
        Kernel(
            kinds=("matmul", "embedding"),
            weight=Accepts(formats=("mxfp4",), whole=True),
            activation=_FLOATS,
            fact=Fact("E2M1 with one E8M0 scale for 32 (MXFP4), on x86-64", _COMPRESS),
        ),
        Kernel(
            kinds=("conv", "depthwise", "conv-transpose", "matmul", "embedding"),
            weight=_FLOATS,
            activation=_FLOATS,
            fact=Fact("float32; bfloat16 and float16 where the processor has them, float32 instead where not", _DEVICE),
        ),
    ),
    between=Accepts(formats=("int8", "uint8")),
    bias="fp32",
    merges=(Fact("the inputs of a concatenation are brought to one scale", _LPT),),
    facts=(
        Fact("on Arm, quantized models are computed in floats throughout", _DEVICE),
        Fact(
            "convolutions of 8-bit weights with a zero point run in floats beside quantized activations",
            _LPT,
            f"{_TRIED}::test_integers_in_openvino",
        ),
        Fact(
            "8-bit activations at run time, which it may have beside compressed weights, cannot be said in a plan",
            _CHANGES,
        ),
    ),
)
