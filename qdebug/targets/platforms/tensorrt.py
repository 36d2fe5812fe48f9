"""TensorRT on an NVIDIA GPU: explicit quantization."""

from __future__ import annotations

from qdebug.targets.accepts import Accepts
from qdebug.targets.kernel import Fact, Kernel
from qdebug.targets.platform import Platform

_DOCS = "https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library"
_TYPES = f"{_DOCS}/work-quantized-types.html"
_SCHEMES = f"{_DOCS}/quantized-types-schemes.html"
_EXPLICIT = f"{_DOCS}/quantized-types-explicit-quantization.html"
_DEQUANTIZE = "https://docs.nvidia.com/deeplearning/tensorrt/api/c_api/classnvinfer1_1_1_i_dequantize_layer.html"
_SPARSITY = "https://docs.nvidia.com/deeplearning/tensorrt/11.1.0/inference-library/data-formats-tensors.html"
_CONVOLUTIONS = ("conv", "depthwise", "conv-transpose")
_INT8 = ("int8", "int8_narrow")


def _float(name: str) -> Kernel:
    held = Accepts(formats=(name,))
    fact = Fact(f"{name} where no Q/DQ pair stands", _EXPLICIT)
    return Kernel(kinds=(*_CONVOLUTIONS, "matmul", "embedding"), weight=held, activation=held, fact=fact)


TENSORRT = Platform(
    name="tensorrt",
    title="TensorRT",
    kernels=(
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul"),
            weight=Accepts(formats=_INT8, sharing=("tensor", "channel"), zero="fixed"),
            activation=Accepts(formats=("int8",), zero="fixed"),
            arithmetic="int8",
            fact=Fact("symmetric INT8: weights per tensor or channel, activations per tensor", _SCHEMES),
        ),
        Kernel(
            kinds=(*_CONVOLUTIONS, "matmul"),
            weight=Accepts(formats=("fp8_e4m3fn",)),
            activation=Accepts(formats=("fp8_e4m3fn",)),
            arithmetic="fp8",
            fact=Fact("FP8 E4M3 for weights and activations", _SCHEMES),
        ),
        Kernel(
            kinds=("matmul",),
            weight=Accepts(
                formats=("int4", "int4_narrow"), sharing=("group",), zero="fixed", groups=(64, 128), whole=True
            ),
            activation=Accepts(formats=("fp16", "bf16")),
            fact=Fact("INT4 is for weights alone, in blocks, and for matrix products alone", _TYPES),
        ),
        Kernel(
            kinds=("matmul",),
            weight=Accepts(formats=("mxfp8_e4m3",), whole=True),
            activation=Accepts(formats=("mxfp8_e4m3",), whole=True),
            arithmetic="fp8",
            fact=Fact("MXFP8: blocks of 32, activations quantized at run time", _SCHEMES),
        ),
        Kernel(
            kinds=("matmul",),
            weight=Accepts(formats=("nvfp4",), whole=True),
            activation=Accepts(formats=("nvfp4",), whole=True),
            arithmetic="fp4",
            fact=Fact("FP4 E2M1 in blocks of 16 for weights and activations", _SCHEMES),
        ),
        *(_float(name) for name in ("fp16", "bf16", "fp32", "tf32")),
    ),
    between=Accepts(formats=("int8", "fp8_e4m3fn"), zero="fixed"),
    bias="fp32",
    sparse=Fact(
        "2:4 weights of convolutions and matrix products may run in kernels that skip the zeros, along input channels; "
        "the builder takes them where they are faster",
        _SPARSITY,
    ),
    facts=(
        Fact("zero points are all zero: only symmetric quantization is supported", _DEQUANTIZE),
        Fact("an integer layer has both its inputs in integers; embeddings stay float", _EXPLICIT),
        Fact(
            "FP8 scales per channel, INT4 blocks other than 64 and 128, and which layers a builder computes as one are "
            "not documented there",
            _TYPES,
        ),
    ),
)
