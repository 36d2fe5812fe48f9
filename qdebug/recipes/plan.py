"""One tensor's plan, one layer's plan, the whole recipe."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from qdebug.recipes.fixes import Fix

GranularityName = Literal["tensor", "channel", "group", "token"]
RangeMethod = Literal["minmax", "moving_average", "percentile", "mse", "entropy", "aciq_laplace", "aciq_gauss", "octav"]
VERSION = 1


class TensorPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one tensor is quantized.

    Attributes:
        format: a name of ``qdebug.formats``; ``fp32`` leaves the tensor alone.
        granularity: how many scales: one per tensor, output channel, group of ``group_size`` input features (weights),
            or token (activations; dynamic by nature).
        group_size: values per group, only with granularity ``group``.
        symmetric: zero point fixed at 0; otherwise affine.
        range: how the clip range is chosen from what was observed. ``entropy`` is not for groups, which have too few
            values.
        percentile: two-sided percentile kept by the range method ``percentile``, in percent.
        clip: a hand-set clip range ``(clip_min, clip_max)`` in real units. Per tensor it replaces what ``range`` would
            choose; with a scale per channel or group it cuts each of their ranges.
        dynamic: activations only: the range is taken from each sample at run time instead of from calibration.
    """

    format: str = "fp32"
    granularity: GranularityName = "tensor"
    group_size: int = 0
    symmetric: bool = True
    range: RangeMethod = "minmax"
    percentile: float = 99.99
    clip: tuple[float, float] | None = None
    dynamic: bool = False

    @property
    def is_float32(self) -> bool:
        """Whether the tensor is left exactly as it is."""
        return self.format == "fp32"

    @property
    def label(self) -> str:
        """The short name people read, such as ``int4 g32``."""
        if self.granularity == "group":
            return f"{self.format} g{self.group_size}"
        return self.format + {"channel": " pc", "token": " tok"}.get(self.granularity, "")


FLOAT = TensorPlan()


class LayerPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One layer's weight plan and the plan of its input activation."""

    weight: TensorPlan = FLOAT
    activation: TensorPlan = FLOAT


FLOAT_LAYER = LayerPlan()


class Recipe(msgspec.Struct, frozen=True):
    """The whole choice. Hashable; equal recipes give equal results on equal model and data.

    Attributes:
        default: the plan of every convolution and matrix product that ``layers`` does not name. Embeddings stay float
            unless named.
        layers: plans by layer name, sorted, no name twice. Build with :func:`qdebug.recipes.set_layers`.
        fixes: applied in order before quantization (bias correction after it).
        model: digest of the model the recipe was made for, or None where it fits any with these layers.
        version: the schema's version.
    """

    default: LayerPlan = FLOAT_LAYER
    layers: tuple[tuple[str, LayerPlan], ...] = ()
    fixes: tuple[Fix, ...] = ()
    model: str | None = None
    version: int = VERSION

    def plan_for(self, layer: str, kind: str = "matmul") -> LayerPlan:
        """The plan of ``layer``; ``kind`` is the layer's kind, of which ``embedding`` stays float by default."""
        for name, plan in self.layers:
            if name == layer:
                return plan
        return FLOAT_LAYER if kind == "embedding" else self.default

    @property
    def digest(self) -> str:
        """Sixteen hex digits that name this recipe's content (the model it was made for is left out)."""
        content = msgspec.json.encode((self.default, self.layers, self.fixes))
        return hashlib.blake2b(content, digest_size=8).hexdigest()
