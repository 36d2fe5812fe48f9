"""Small networks of the kinds that people bring as ONNX files, with random weights, and their export from torch."""

from tests.doors.architectures.export import Exported, exported
from tests.doors.architectures.record import OPSETS
from tests.doors.architectures.zoo import ZOO

__all__ = ["exported", "Exported", "OPSETS", "ZOO"]
