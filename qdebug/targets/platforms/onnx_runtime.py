"""ONNX Runtime on the CPU (x86-64), version 1.31: what its registered kernels compute.

Found by trying as well: ``docs/decisions/0008``, and the runtime's own list of kernels, to which tests hold this one.
"""

from __future__ import annotations

from qdebug.targets.accepts import Accepts
from qdebug.targets.kernel import Fact, Kernel
from qdebug.targets.platform import Platform

_QUANTIZING = "https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html"
_KERNELS = "https://github.com/microsoft/onnxruntime/blob/main/docs/OperatorKernels.md"
_CONTRIB = "https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"
_NBITS = "https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/contrib_ops/cpu/quantization/matmul_nbits.cc"
_TRIED = "targets/test_runtimes.py"
_BYTES = ("int8", "uint8")
_FLOAT = Accepts(formats=("fp32",))
_FIXED_AND_FREE = Accepts(formats=_BYTES, sharing=("tensor", "channel"))
_ANY_BITS = ("int4", "uint4", "int8", "uint8", "int2", "uint2")

ONNX_RUNTIME = Platform(
    name="onnxruntime-cpu",
    title="ONNX Runtime (CPU)",
    kernels=(
        Kernel(
            kinds=("conv", "depthwise", "matmul"),
            weight=_FIXED_AND_FREE,
            activation=Accepts(formats=_BYTES, signed=False),
            arithmetic="int8",
            fact=Fact("unsigned activations with signed or unsigned weights (U8S8, U8U8)", _QUANTIZING),
        ),
        Kernel(
            kinds=("conv", "depthwise", "matmul"),
            weight=Accepts(formats=_BYTES, sharing=("tensor", "channel"), signed=True),
            activation=Accepts(formats=("int8",), signed=True),
            arithmetic="int8",
            fact=Fact("signed activations with signed weights alone (S8S8)", _QUANTIZING),
        ),
        Kernel(
            kinds=("matmul",),
            weight=_FIXED_AND_FREE,
            activation=Accepts(formats=_BYTES, ranges="dynamic", signed=False),
            arithmetic="int8",
            fact=Fact("DynamicQuantizeMatMul finds one unsigned range for all of its input", _CONTRIB),
        ),
        Kernel(
            kinds=("matmul",),
            weight=Accepts(formats=_ANY_BITS, sharing=("group",), power_of_two=16),
            activation=Accepts(formats=("fp32", "fp16")),
            arithmetic="fp32",
            fact=Fact(
                "MatMulNBits: 2, 4 or 8 bits in groups of a power of two from 16 on, and floats; float16 is "
                "computed in float32 on x86-64",
                _NBITS,
            ),
        ),
        Kernel(
            kinds=("matmul",),
            weight=Accepts(formats=("nf4",), sharing=("group",), power_of_two=16),
            activation=_FLOAT,
            arithmetic="fp32",
            fact=Fact("MatMulBnb4: NormalFloat in groups, as bitsandbytes", _CONTRIB),
        ),
        Kernel(
            kinds=("embedding",),
            weight=Accepts(formats=_ANY_BITS, sharing=("group",), power_of_two=16),
            activation=_FLOAT,
            fact=Fact("GatherBlockQuantized: 2, 4 or 8 bits in groups of a power of two from 16 on", _CONTRIB),
        ),
        Kernel(
            kinds=("embedding",),
            weight=Accepts(formats=(*_BYTES, "int16", "uint16", "fp16", "bf16", "fp32")),
            activation=_FLOAT,
            fact=Fact("Gather of codes of one scale, dequantized behind it, and of 16-bit floats", _KERNELS),
        ),
        Kernel(
            kinds=("conv", "depthwise", "conv-transpose", "matmul"),
            weight=_FLOAT,
            activation=_FLOAT,
            arithmetic="fp32",
            fact=Fact("Conv, ConvTranspose and MatMul are registered for float32", _KERNELS),
        ),
    ),
    between=Accepts(formats=_BYTES),
    bias="int32",
    facts=(
        Fact(
            "a transposed convolution runs in floats",
            _KERNELS,
            "targets/test_registered_kernels.py::test_no_integer_kernel_of_a_transposed_convolution",
        ),
        Fact(
            "DequantizeLinear and MatMul become MatMulNBits; with Gemm, a linear layer of two axes, they do not",
            _NBITS,
            f"{_TRIED}::test_weights_alone_in_onnx_runtime",
        ),
        Fact(
            "a range at run time that a file writes as DynamicQuantizeLinear and DequantizeLinear: computed in floats",
            _CONTRIB,
            f"{_TRIED}::test_dynamic_ranges_in_onnx_runtime",
        ),
        Fact(
            "signed activations behind a ReLU keep a convolution in floats",
            _KERNELS,
            f"{_TRIED}::test_signed_activations_behind_a_relu_in_onnx_runtime",
        ),
        Fact(
            "signed activations with unsigned weights, refused here, run on x86-64 where a value has one reader",
            _QUANTIZING,
            f"{_TRIED}::test_what_onnx_runtime_does_not_promise_is_refused_though_it_can_run",
        ),
        Fact("MatMulNBits with accuracy_level 4 may round its input to 8 bits in groups, which no plan says", _CONTRIB),
        Fact(
            "16-bit activations between QuantizeLinear and DequantizeLinear run in floats",
            _KERNELS,
            f"{_TRIED}::test_integers_in_onnx_runtime",
        ),
        Fact("x86-64 without VNNI adds two products of bytes in 16 bits, which can saturate", _QUANTIZING),
    ),
)
