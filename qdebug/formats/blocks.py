"""Formats that say themselves which values share a scale: microscaling, NVFP4, llama.cpp's blocks, codebooks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from qdebug.formats.floats import FP4, FP6_E2M3, FP6_E3M2, FP8_E4M3FN, FP8_E5M2, Float
from qdebug.formats.qformat import INTEGERS, Integer, QFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(QFormat):
    """Elements of a small format that share a scale in blocks along the axis that is summed over.

    Attributes:
        element: what each value is stored as.
        size: values of a block; the last block of a row may be shorter.
        scale: ``e8m0`` is a power of two of 8 bits, floor(log2 absmax) less the element's largest exponent; ``e4m3`` is
            a float of 8 bits, absmax over the element's largest number, in units of a float32 scale of the tensor.
        unit: the real that a step of an integer element stands for, as its specification has it.
    """

    family: ClassVar[str] = "block"
    own_blocks: ClassVar[bool] = True

    element: Float | Integer
    size: int
    scale: Literal["e8m0", "e4m3"]
    unit: float = 1.0

    @property
    def levels(self) -> tuple[float, ...]:
        """The element's, in units of the block's scale."""
        return tuple(level * self.unit for level in self.element.levels)

    @property
    def largest_exponent(self) -> int:
        """The exponent of the element's largest number: what the shared exponent is counted from."""
        return math.frexp(self.element.largest * self.unit)[1] - 1

    @property
    def group(self) -> int:
        """Values of a block."""
        return self.size

    @property
    def bits_per_weight(self) -> float:
        """With the block's scale; the tensor's is one number."""
        return self.bits + 8 / self.size

    @property
    def specials(self) -> tuple[str, ...]:
        """The element's, and the scale's."""
        own = self.element.specials if isinstance(self.element, Float) else ()
        return (*own, "scale NaN (code 0xFF)" if self.scale == "e8m0" else "scale NaN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gguf(QFormat):
    """A block format of llama.cpp, quantized as its reference code does.

    Attributes:
        size: values of a block; rows must be a multiple of it.
        run: values that share an effective scale (and minimum).
        block_bytes: bytes of a stored block.
        low, high: code limits.
        minimum: whether each run has a minimum added.
    """

    family: ClassVar[str] = "llama.cpp"
    own_blocks: ClassVar[bool] = True
    for_activations: ClassVar[bool] = False

    size: int
    run: int
    block_bytes: int
    low: int
    high: int
    minimum: bool = False

    @property
    def levels(self) -> tuple[float, ...]:
        """The codes."""
        return tuple(float(code) for code in range(self.low, self.high + 1))

    @property
    def group(self) -> int:
        """Values of a block."""
        return self.size

    @property
    def bits_per_weight(self) -> float:
        """With everything a block stores."""
        return 8 * self.block_bytes / self.size

    def row_bits(self, columns: int) -> int:
        """Bits of a row. A last block that is not full keeps its head and the runs that it has."""
        whole, rest = divmod(columns, self.size)
        block, runs = 8 * self.block_bytes, self.size // self.run
        head = 16 * (1 + self.minimum) if runs > 1 else 0
        run = (block - head) // runs
        return whole * block + (head + run * -(-rest // self.run) if rest else 0)

    def stored_as(self, columns: int) -> str:
        """The format that llama.cpp stores rows of so many values in: this one where whole blocks fit.

        K-quants fall back to blocks of 32 (q4_k to q5_0, q6_k to q8_0), and what fits no block to fp16
        (``tensor_type_fallback`` in llama-quant.cpp).
        """
        if columns % self.size == 0:
            return self.name
        smaller = {"q4_k": "q5_0", "q6_k": "q8_0"}.get(self.name)
        return smaller if smaller and columns % 32 == 0 else "fp16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebook(QFormat):
    """Levels learned from the tensor itself by k-means; stored as float16, times a power of two, beside the indices.

    Attributes:
        entries: codewords.
        dimension: consecutive weights along a row that one index stands for.
    """

    family: ClassVar[str] = "codebook"
    for_activations: ClassVar[bool] = False

    entries: int
    dimension: int = 1

    @property
    def own_blocks(self) -> bool:  # type: ignore[override]
        """Vector codebooks serve a whole tensor; scalar ones a tensor or a channel, as the plan says."""
        return self.dimension > 1

    @property
    def needs_scale(self) -> bool:
        """Codewords are reals."""
        return False

    @property
    def codebook_bits(self) -> int:
        """Bits of one stored codebook: its float16 numbers and the power of two that they are in units of."""
        return 16 * self.entries * self.dimension + 8


_MX = "OCP Microscaling Formats (MX) Specification 1.0, 2023"
_CHEN = (
    "Chen et al. 2025, INT v.s. FP: A Comprehensive Study of Fine-Grained Low-bit Quantization Formats "
    "(arXiv 2510.25602)"
)
_MXRUNS = ("NVIDIA Blackwell", "AMD MI350", "microxcaling")
_PROOF = "quantize/test_blocks.py::test_hand_made_vectors"
_SLOW = "quantize/test_blocks.py::test_against_a_slow_reference"


def _integer(bits: int) -> Integer:
    return next(form for form in INTEGERS if form.name == f"int{bits}_narrow")


def _mx(
    name: str, title: str, element: Float | Integer, *, unit: float = 1.0, source: str = _MX,
    runs_on: tuple[str, ...] = _MXRUNS,
) -> Block:  # fmt: skip
    return Block(name=name, title=title, bits=element.bits, element=element, size=32, scale="e8m0", unit=unit,
                 source=source, runs_on=runs_on, proof=_PROOF if source == _MX else _SLOW)  # fmt: skip


def _nv(name: str, title: str, element: Float | Integer, source: str, runs_on: tuple[str, ...], proof: str) -> Block:
    return Block(name=name, title=title, bits=element.bits, element=element, size=16, scale="e4m3", source=source,
                 runs_on=runs_on, proof=proof)  # fmt: skip


# Neither Blackwell nor MI350 multiplies it; its authors' library simulates it.
MXINT8 = _mx("mxint8", "MXINT8", _integer(8), unit=2.0**-6, runs_on=("microxcaling",))
MXFP8_E4M3 = _mx("mxfp8_e4m3", "MXFP8 E4M3", FP8_E4M3FN)
MXFP8_E5M2 = _mx("mxfp8_e5m2", "MXFP8 E5M2", FP8_E5M2)
MXFP6_E2M3 = _mx("mxfp6_e2m3", "MXFP6 E2M3", FP6_E2M3)
MXFP6_E3M2 = _mx("mxfp6_e3m2", "MXFP6 E3M2", FP6_E3M2)
MXFP4 = _mx("mxfp4", "MXFP4", FP4, runs_on=(*_MXRUNS, "OpenVINO", "vLLM"))
# Not in the specification: the integer partners of the float formats, whose crossing is a question people ask.
MXINT6 = _mx("mxint6", "MXINT6", _integer(6), unit=2.0**-4, source=_CHEN, runs_on=())
MXINT4 = _mx("mxint4", "MXINT4", _integer(4), unit=2.0**-2, source=_CHEN, runs_on=())
NVFP4 = _nv("nvfp4", "NVFP4", FP4,
            "NVIDIA 2025, Pretraining Large Language Models with NVFP4 (arXiv 2509.25149), section 2",
            ("NVIDIA Blackwell", "TensorRT", "vLLM"), _PROOF)  # fmt: skip
NVINT4 = _nv("nvint4", "NVINT4", _integer(4), _CHEN, (), _SLOW)


def _gguf(name: str, size: int, run: int, block_bytes: int, codes: tuple[int, int], minimum: bool = False) -> Gguf:
    small, large = "test_gguf.py::test_bytes_are_those_of_the_package", "test_kquants.py::test_bytes_are_those_of_ggml"
    proof = large if name.endswith("_k") else small
    bits = (codes[1] - codes[0]).bit_length()
    return Gguf(name=name, title=name.upper(), bits=bits, size=size, run=run, block_bytes=block_bytes, low=codes[0],
                high=codes[1], minimum=minimum, source="ggml, ggml-quants.c (reference quantizers)",
                runs_on=("llama.cpp", "Ollama"), proof=f"quantize/{proof}")  # fmt: skip


GGUF = (
    _gguf("q4_0", 32, 32, 18, (-8, 7)),
    _gguf("q4_1", 32, 32, 20, (0, 15), minimum=True),
    _gguf("q5_0", 32, 32, 22, (-16, 15)),
    _gguf("q8_0", 32, 32, 34, (-127, 127)),
    _gguf("q4_k", 256, 32, 144, (0, 15), minimum=True),
    _gguf("q6_k", 256, 16, 210, (-32, 31)),
)

_COREML = (2, 3, 4, 6, 8)
"""Bits that coremltools palettizes to, besides 1."""

KMEANS = tuple(
    Codebook(name=f"kmeans{bits}", title=f"k-means codebook, {bits} bits", bits=bits, entries=1 << bits,
             source="Han, Mao and Dally 2016, Deep Compression (arXiv 1510.00149); Lloyd 1982",
             runs_on=("Core ML (palettized weights)",) if bits in _COREML else (),
             proof="quantize/test_codebooks.py::test_no_partition_of_a_small_set_is_better")
    for bits in range(2, 9)
)  # fmt: skip
VECTORS = tuple(
    Codebook(name=f"vq{dimension}_{entries}", title=f"vector codebook, {entries} × {dimension}",
             bits=(entries.bit_length() - 1) / dimension, entries=entries, dimension=dimension,
             source="Gersho and Gray 1992, Vector Quantization and Signal Compression; "
             "Stock et al. 2020, And the Bit Goes Down (arXiv 1907.05686)",
             runs_on=("AQLM (Triton kernel)",),
             proof="quantize/test_codebooks.py::test_every_vector_gets_its_nearest_codeword")
    for dimension, entries in ((2, 16), (2, 64), (2, 256), (4, 16), (4, 256))
)  # fmt: skip

BLOCKS = (MXINT8, MXFP8_E4M3, MXFP8_E5M2, MXFP6_E2M3, MXFP6_E3M2, MXINT6, MXFP4, MXINT4, NVFP4, NVINT4)
