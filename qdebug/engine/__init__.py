"""The memoizing interpreter: a model as a spreadsheet whose cells are computed once."""

from qdebug.engine.cache import ValueCache
from qdebug.engine.overlay import NOTHING, Overlay, Rounded
from qdebug.engine.run import Batch, Engine
from qdebug.engine.sheet import LayerQuant, Sheet
from qdebug.engine.work import Work

__all__ = ["NOTHING", "Batch", "Engine", "LayerQuant", "Overlay", "Rounded", "Sheet", "ValueCache", "Work"]
