"""Which format each layer should have under a budget: predicted, solved, and confirmed by measuring."""

from qdebug.search.mixed.search import search
from qdebug.search.mixed.wish import Wish

__all__ = ["Wish", "search"]
