"""How a clip range is chosen: from the data (:mod:`.groups`), or by rules that a histogram serves too."""

from qdebug.quantize.ranges.aciq import aciq_range
from qdebug.quantize.ranges.entropy import entropy_limit
from qdebug.quantize.ranges.groups import Range, minmax
from qdebug.quantize.ranges.octav import octav_range
from qdebug.quantize.ranges.search import search_clip

__all__ = ["Range", "aciq_range", "entropy_limit", "minmax", "octav_range", "search_clip"]
