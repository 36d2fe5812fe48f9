"""Qualcomm AI Engine Direct (QNN) on the Hexagon tensor processor (HTP)."""

from __future__ import annotations

from qdebug.targets.accepts import Accepts
from qdebug.targets.kernel import Fact, Kernel
from qdebug.targets.platform import Platform

_RULES = "https://github.com/pytorch/executorch/blob/main/backends/qualcomm/quantizer/README.md"
_CONFIGS = "https://github.com/pytorch/executorch/blob/main/backends/qualcomm/quantizer/qconfig.py"
_HISTORY = "https://docs.qualcomm.com/bundle/publicresource/80-63442-10/topics/htp_opdef_version_history.md"
_SPEC = "https://docs.qualcomm.com/doc/80-63442-10/topic/applyencodings.html"
_CONVOLUTIONS = ("conv", "depthwise", "conv-transpose")
_INT8, _INT4 = ("int8", "int8_narrow"), ("int4", "int4_narrow")
_BYTES, _WORDS = ("int8", "uint8"), ("int16", "uint16")
_EITHER = Accepts(formats=(*_BYTES, *_WORDS))

QNN = Platform(
    name="qnn-htp",
    title="QNN (Hexagon HTP)",
    kernels=(
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul"),
            weight=Accepts(formats=_INT8, sharing=("tensor", "channel"), zero="fixed"),
            activation=Accepts(formats=_BYTES),
            arithmetic="int8",
            fact=Fact("8-bit weights, symmetric if per channel, with 8-bit activations", _RULES),
        ),
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul"),
            weight=Accepts(formats=_INT8, sharing=("tensor", "channel"), zero="fixed"),
            activation=Accepts(formats=_WORDS),
            arithmetic="int16",
            fact=Fact("8-bit weights with 16-bit activations", _CONFIGS),
        ),
        Kernel(
            kinds=("conv", "matmul"),
            weight=Accepts(formats=_INT4, sharing=("tensor", "channel"), zero="fixed"),
            activation=Accepts(formats=_BYTES),
            arithmetic="int8",
            fact=Fact("4-bit weights, for some operators only", _CONFIGS),
        ),
        Kernel(
            kinds=("conv", "matmul"),
            weight=Accepts(formats=_INT4, sharing=("tensor", "channel"), zero="fixed"),
            activation=Accepts(formats=_WORDS),
            arithmetic="int16",
            fact=Fact("4-bit weights with 16-bit activations, for some operators only", _CONFIGS),
        ),
        Kernel(
            kinds=("conv", "matmul"),
            weight=Accepts(formats=("int2",), sharing=("channel",), zero="fixed"),
            activation=Accepts(formats=_WORDS),
            arithmetic="int16",
            fact=Fact("2-bit weights only symmetric per channel", _CONFIGS),
        ),
        Kernel(
            kinds=("conv", "matmul"),
            weight=Accepts(formats=("int16", "int16_narrow"), zero="fixed"),
            activation=Accepts(formats=_WORDS),
            arithmetic="int16",
            fact=Fact("16-bit weights with 16-bit activations, per tensor", _CONFIGS),
        ),
        Kernel(
            kinds=("conv", "matmul"),
            weight=Accepts(formats=_INT8, sharing=("tensor", "channel"), zero="fixed"),
            activation=Accepts(formats=("fp16",)),
            arithmetic="fp16",
            fact=Fact("8-bit weights with float16 activations (FP16W8)", _HISTORY),
        ),
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul"),
            weight=Accepts(formats=("fp16",)),
            activation=Accepts(formats=("fp16",)),
            arithmetic="fp16",
            fact=Fact("float16 throughout", _HISTORY),
        ),
        Kernel(
            kinds=("embedding",),
            weight=Accepts(formats=(*_BYTES, *_WORDS, "fp16")),
            activation=_EITHER,
            fact=Fact("Gather of 8 or 16 bits with one scale", _HISTORY),
        ),
    ),
    between=_EITHER,
    bias="int32",
    merges=(
        Fact(
            "the converter tags groups of operators that it computes as one, such as convolution and ReLU; between "
            "values of two widths it inserts conversions",
            _SPEC,
        ),
    ),
    facts=(
        Fact("layers that compute in 32-bit floats are not documented throughout: taken as refused", _HISTORY),
        Fact(
            "scales per block want 4-bit multiples of the channel's (low-power blockwise quantization), which no plan "
            "says",
            _SPEC,
        ),
        Fact("activation ranges that are found at run time are not documented", _SPEC),
    ),
)
