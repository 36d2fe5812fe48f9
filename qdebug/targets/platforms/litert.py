"""LiteRT with XNNPACK, on CPUs."""

from __future__ import annotations

from typing import Literal

from qdebug.targets.accepts import Accepts
from qdebug.targets.kernel import Fact, Kernel
from qdebug.targets.platform import Platform

_SPEC = "https://ai.google.dev/edge/litert/models/quantization_spec"
_DELEGATE = "https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/delegates/xnnpack/README.md"
_POLICY = "https://github.com/google-ai-edge/ai-edge-quantizer/blob/main/ai_edge_quantizer/default_policy.py"
_CASTING = (
    "https://github.com/google-ai-edge/ai-edge-quantizer/blob/main/ai_edge_quantizer/algorithms/"
    "nonlinear_quantize/float_casting.py"
)
_CONVOLUTIONS = ("conv", "depthwise", "conv-transpose")
_INT8, _INT4, _INT2 = ("int8", "int8_narrow"), ("int4", "int4_narrow"), ("int2", "int2_narrow")
_FLOAT, _HALF = Accepts(formats=("fp32",)), Accepts(formats=("fp16",))
_AT_RUN_TIME = Accepts(formats=("int8",), sharing=("tensor", "token"), ranges="dynamic")


def _weights(formats: tuple[str, ...], zero: Literal["fixed", "either"] = "fixed") -> Accepts:
    return Accepts(formats=formats, sharing=("tensor", "channel"), zero=zero)


LITERT = Platform(
    name="litert-xnnpack",
    title="LiteRT (XNNPACK)",
    kernels=(
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul"),
            weight=_weights(_INT8),
            activation=Accepts(formats=("int8",)),
            arithmetic="int8",
            fact=Fact("int8: weights symmetric, per tensor or channel; activations affine, per tensor", _SPEC),
        ),
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul"),
            weight=_weights(_INT8),
            activation=Accepts(formats=("int16",), zero="fixed"),
            arithmetic="int16",
            fact=Fact("int16 activations with zero point 0 (LiteRT's own kernels)", _POLICY),
        ),
        Kernel(
            kinds=("conv", "matmul"),
            weight=_weights(_INT4),
            activation=Accepts(formats=("int8",)),
            arithmetic="int8",
            fact=Fact("int4 weights of convolutions and fully connected layers, not of depthwise ones", _POLICY),
        ),
        Kernel(
            kinds=("conv", "matmul"),
            weight=_weights(_INT4),
            activation=Accepts(formats=("int16",), zero="fixed"),
            arithmetic="int16",
            fact=Fact("int4 weights with int16 activations with zero point 0", _POLICY),
        ),
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul", "embedding"),
            weight=_weights(_INT8),
            activation=_AT_RUN_TIME,
            arithmetic="int8",
            fact=Fact("dynamic range: int8 weights, activations quantized at run time per row", _POLICY),
        ),
        Kernel(
            kinds=("matmul", "embedding"),
            weight=_weights(_INT4),
            activation=_AT_RUN_TIME,
            arithmetic="int8",
            fact=Fact("dynamic range with int4 weights", _POLICY),
        ),
        Kernel(
            kinds=("matmul", "embedding"),
            weight=Accepts(
                formats=(*_INT4, *_INT2), sharing=("group",), zero="fixed", groups=(32, 64, 128, 256), whole=True
            ),
            activation=_AT_RUN_TIME,
            arithmetic="int8",
            fact=Fact("blocks of 32, 64, 128 or 256, with dynamic activations alone", _POLICY),
        ),
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul", "embedding"),
            weight=_weights(_INT8, zero="either"),
            activation=_FLOAT,
            arithmetic="fp32",
            fact=Fact("weights alone: unpacked, and computed in floats", _DELEGATE),
        ),
        Kernel(
            kinds=("matmul",),
            weight=_weights(_INT4, zero="either"),
            activation=_FLOAT,
            arithmetic="fp32",
            fact=Fact("weights alone in 4 bits", _POLICY),
        ),
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul", "embedding"),
            weight=Accepts(formats=("fp16", "fp32")),
            activation=_FLOAT,
            arithmetic="fp32",
            fact=Fact("float32; float16 weights are cast back", _CASTING),
        ),
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul", "embedding"),
            weight=_HALF,
            activation=_HALF,
            fact=Fact("float16 where the processor has it and the delegate is told so", _DELEGATE),
        ),
    ),
    between=Accepts(formats=("int8", "int16")),
    bias="int32",
    facts=(
        Fact("activations have one scale per tensor; none per channel", _SPEC),
        Fact("int16 activations run in LiteRT's own kernels: XNNPACK's list of operators has 8 bits", _DELEGATE),
        Fact("of a concatenation and of reshapes, inputs and output share one scale", _SPEC),
    ),
)
