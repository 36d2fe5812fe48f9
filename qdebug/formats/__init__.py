"""Number formats as frozen values. Numpy-level knowledge only; nothing here touches a tensor."""

from qdebug.formats.granularity import Granularity, PerChannel, PerGroup, PerTensor, PerToken
from qdebug.formats.qformat import BF16, FP16, FP32, INT2, INT3, INT4, INT5, INT6, INT7, INT8, QFormat
from qdebug.formats.registry import FORMATS, find

__all__ = [
    "BF16", "FORMATS", "FP16", "FP32", "INT2", "INT3", "INT4", "INT5", "INT6", "INT7", "INT8",
    "Granularity", "PerChannel", "PerGroup", "PerTensor", "PerToken", "QFormat", "find",
]  # fmt: skip
