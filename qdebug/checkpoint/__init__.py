"""Files of weights looked through without a model: what their tensors hold, and what formats would add to the error."""

from qdebug.checkpoint.scanning import USUAL, scan

__all__ = ["USUAL", "scan"]
