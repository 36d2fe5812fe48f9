"""Where a model is to run and what it costs there. Torch-free.

A :class:`Platform` is a runtime on a kind of processor, which refuses the plans that none of its kernels computes. A
:class:`Device` has peak rates and a bandwidth. Bytes and bit-operations are counted; latency and energy are estimates.
"""

from qdebug.targets.accepts import Accepts
from qdebug.targets.arithmetic import arithmetic
from qdebug.targets.cache import cache_size
from qdebug.targets.cost import cost, model_size, total_bops, weight_bits
from qdebug.targets.device import Device, Figure
from qdebug.targets.devices import DEVICES, HERE, find_device
from qdebug.targets.energy import energy, mac_picojoules
from qdebug.targets.kernel import Fact, Kernel, kind_of
from qdebug.targets.platform import Platform
from qdebug.targets.platforms import PLATFORMS, find_platform
from qdebug.targets.roofline import Measured, roofline
from qdebug.targets.storage import SECOND, stored_bits
from qdebug.targets.traffic import moved_bytes

__all__ = [
    "DEVICES", "HERE", "PLATFORMS", "SECOND", "Accepts", "Device", "Fact", "Figure", "Kernel", "Measured", "Platform",
    "arithmetic", "cache_size", "cost", "energy", "find_device", "find_platform", "kind_of", "mac_picojoules",
    "model_size",
    "moved_bytes", "roofline", "stored_bits", "total_bops", "weight_bits",
]  # fmt: skip
