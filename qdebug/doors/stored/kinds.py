"""How the elements of stored tensors lie in their bytes: what safetensors and GGUF files can hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of stored elements.

    Attributes:
        name: our name for it, the same whatever file it comes from: ``f32``, ``bf16``, ``q4_k`` …
        title: what the file calls it.
        block: values that are stored together; a row holds whole blocks.
        width: bytes of a block.
        is_real: whether its values are real numbers that a number format could take the place of; not so indices,
            flags, and scales that are powers of two.
        is_read: whether its values can be decoded here.
    """

    name: str
    title: str
    block: int
    width: int
    is_real: bool = True
    is_read: bool = True

    @property
    def bits(self) -> float:
        """Of a value, with its part of what a block stores besides."""
        return 8 * self.width / self.block


def _whole(*rows: tuple[str, str, int]) -> tuple[Kind, ...]:
    return tuple(Kind(name, title, 1, width, is_real=False) for title, name, width in rows)


#: The types of the safetensors format by its own names (https://github.com/huggingface/safetensors, ``dtype.rs``).
SAFETENSORS: dict[str, Kind] = {
    kind.title: kind
    for kind in (
        Kind("f64", "F64", 1, 8), Kind("f32", "F32", 1, 4), Kind("f16", "F16", 1, 2), Kind("bf16", "BF16", 1, 2),
        Kind("fp8_e4m3fn", "F8_E4M3", 1, 1), Kind("fp8_e5m2", "F8_E5M2", 1, 1),
        Kind("fp8_e4m3fnuz", "F8_E4M3FNUZ", 1, 1), Kind("fp8_e5m2fnuz", "F8_E5M2FNUZ", 1, 1),
        Kind("e8m0", "F8_E8M0", 1, 1, is_real=False, is_read=False),
        Kind("fp4", "F4", 2, 1, is_read=False), Kind("fp6_e2m3", "F6_E2M3", 4, 3, is_read=False),
        Kind("fp6_e3m2", "F6_E3M2", 4, 3, is_read=False), Kind("c64", "C64", 1, 8, is_real=False, is_read=False),
        *_whole(("I64", "i64", 8), ("U64", "u64", 8), ("I32", "i32", 4), ("U32", "u32", 4), ("I16", "i16", 2),
                ("U16", "u16", 2), ("I8", "i8", 1), ("U8", "u8", 1), ("BOOL", "bool", 1)),
    )
}  # fmt: skip


def _blocks(*rows: tuple[str, int, int], is_read: bool = True) -> tuple[Kind, ...]:
    return tuple(Kind(title.lower(), title, block, width, is_read=is_read) for title, block, width in rows)


_READ = _blocks(
    ("Q4_0", 32, 18), ("Q4_1", 32, 20), ("Q5_0", 32, 22), ("Q5_1", 32, 24), ("Q8_0", 32, 34), ("Q2_K", 256, 84),
    ("Q3_K", 256, 110), ("Q4_K", 256, 144), ("Q5_K", 256, 176), ("Q6_K", 256, 210), ("IQ4_NL", 32, 18),
    ("IQ4_XS", 256, 136), ("MXFP4", 32, 17),
)  # fmt: skip
_UNREAD = _blocks(
    ("Q8_1", 32, 40), ("Q8_K", 256, 292), ("IQ2_XXS", 256, 66), ("IQ2_XS", 256, 74), ("IQ2_S", 256, 82),
    ("IQ3_XXS", 256, 98), ("IQ3_S", 256, 110), ("IQ1_S", 256, 50), ("IQ1_M", 256, 56), ("TQ1_0", 256, 54),
    ("TQ2_0", 256, 66), ("NVFP4", 64, 36), ("Q1_0", 128, 18), is_read=False,
)  # fmt: skip
_NUMBERS = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q8_1": 9, "Q2_K": 10, "Q3_K": 11,
    "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "Q8_K": 15, "IQ2_XXS": 16, "IQ2_XS": 17, "IQ3_XXS": 18, "IQ1_S": 19,
    "IQ4_NL": 20, "IQ3_S": 21, "IQ2_S": 22, "IQ4_XS": 23, "I8": 24, "I16": 25, "I32": 26, "I64": 27, "F64": 28,
    "IQ1_M": 29, "BF16": 30, "TQ1_0": 34, "TQ2_0": 35, "MXFP4": 39, "NVFP4": 40, "Q1_0": 41,
}  # fmt: skip
_BY_TITLE = SAFETENSORS | {kind.title: kind for kind in (*_READ, *_UNREAD)}

#: The types of GGUF tensors by ggml's numbers (``enum ggml_type`` of ``ggml.h``, ggml-org/llama.cpp).
GGML: dict[int, Kind] = {number: _BY_TITLE[title] for title, number in _NUMBERS.items()}
