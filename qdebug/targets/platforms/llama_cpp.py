"""llama.cpp: GGUF weights, activations quantized inside the kernels."""

from __future__ import annotations

from qdebug.targets.accepts import Accepts
from qdebug.targets.kernel import Fact, Kernel
from qdebug.targets.platform import Platform

_TRAITS = "https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-cpu/ggml-cpu.c"
_QUANTIZE = "https://github.com/ggml-org/llama.cpp/blob/master/src/llama-quant.cpp"
_QUANTS = ("q8_0", "q6_k", "q5_0", "q4_k", "q4_1", "q4_0", "mxfp4")
_FLOAT = Accepts(formats=("fp32",))

LLAMA_CPP = Platform(
    name="llama-cpp",
    title="llama.cpp",
    kernels=(
        Kernel(
            kinds=("matmul",),
            weight=Accepts(formats=_QUANTS, whole=True),
            activation=_FLOAT,
            arithmetic="int8",
            fact=Fact("block types; the CPU's kernel quantizes activations to Q8_0, Q8_1 or Q8_K itself", _TRAITS),
        ),
        Kernel(
            kinds=("embedding",),
            weight=Accepts(formats=(*_QUANTS, "fp16", "bf16", "fp32"), whole=True),
            activation=_FLOAT,
            fact=Fact("rows of the token embedding in the same types", _QUANTIZE),
        ),
        Kernel(
            kinds=("matmul",),
            weight=Accepts(formats=("fp16", "bf16", "fp32")),
            activation=_FLOAT,
            fact=Fact("16-bit and 32-bit floats", _TRAITS),
        ),
        Kernel(
            kinds=("conv", "depthwise"),
            weight=Accepts(formats=("fp16", "fp32")),
            activation=_FLOAT,
            fact=Fact("rows of a kernel fill no block, so that convolutions stay float", _QUANTIZE),
        ),
    ),
    between=None,
    bias="fp32",
    facts=(
        Fact(
            "rows that do not fill blocks of 256 get a type with blocks of 32, and those that do not fill these "
            "float16",
            _QUANTIZE,
        ),
        Fact("the kernel's activation format (8 bits in blocks) is none that a plan can say", _TRAITS),
        Fact("types that qdebug does not have (Q2_K, Q3_K, Q5_K, IQ, TQ, NVFP4) are left out", _TRAITS),
    ),
)
