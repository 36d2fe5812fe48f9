"""Number formats as frozen values. Numpy-level knowledge only; nothing here touches a tensor."""

from qdebug.formats.blocks import Block, Codebook, Gguf
from qdebug.formats.cards import SpecCard, card, facts, number
from qdebug.formats.floats import BF16, FP16, FP32, TF32, Float
from qdebug.formats.granularity import Granularity, PerBlock, PerChannel, PerGroup, PerTensor, PerToken
from qdebug.formats.qformat import INT4, INT8, Integer, QFormat
from qdebug.formats.registry import ALIASES, FORMATS, find, split_name
from qdebug.formats.tables import Table

__all__ = [
    "ALIASES", "BF16", "FORMATS", "FP16", "FP32", "INT4", "INT8", "TF32", "Block", "Codebook", "Float", "Gguf",
    "Granularity", "Integer", "PerBlock", "PerChannel", "PerGroup", "PerTensor", "PerToken", "QFormat", "SpecCard",
    "Table", "card", "facts", "find", "number", "split_name",
]  # fmt: skip
