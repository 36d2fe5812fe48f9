"""One tensor's plan, one layer's plan, the whole recipe."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from qdebug.recipes.fixes import Fix

GranularityName = Literal["tensor", "channel", "group", "block", "token"]
Rounding = Literal["half_even", "half_away", "stochastic", "floor"]
ScaleFormat = Literal["fp32", "fp16", "bf16", "e8m0", "double"]
ChosenRange = Literal["minmax", "moving_average", "percentile", "mse", "entropy", "aciq_laplace", "aciq_gauss", "octav"]
"""How a range can be chosen from what was observed."""
RangeMethod = Literal[ChosenRange, "stored"]
"""Or not chosen, but taken from a model file that is quantized already."""
BiasFormat = Literal["fp32", "int32"]
VERSION = 1


class TensorPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one tensor is quantized.

    Attributes:
        format: a name of ``qdebug.formats``; ``fp32`` leaves the tensor alone.
        granularity: how many scales: one per tensor, output channel, group of ``group_size`` input features, tile of
            ``block`` (these for weights), or token (activations; dynamic by nature). Formats with blocks of their own
            (mxfp4, nvfp4, q4_k …) name none.
        group_size: values per group, only with granularity ``group``.
        block: output channels and input features of a tile, only with granularity ``block``.
        symmetric: zero point fixed at 0; otherwise affine.
        range: how the clip range is chosen from what was observed. ``entropy`` is not for groups, which have too few
            values; ``stored`` takes scale and zero point from the model's file, where that is quantized already.
        percentile: two-sided percentile kept by the range method ``percentile``, in percent.
        clip: a hand-set clip range ``(clip_min, clip_max)`` in real units. Per tensor it replaces what ``range`` would
            choose; with a scale per channel or group it cuts each of their ranges.
        dynamic: activations only: the range is taken from each sample at run time instead of from calibration.
        rounding: which neighbour on the grid a value gets; ``stochastic`` the upper one with the probability of its
            part of the way there.
        seed: of stochastic rounding; the same seed rounds the same value at the same place alike.
        scale_format: how scales are stored: rounded to fp16 or bf16, up to a power of two (``e8m0``), or quantized
            themselves to 8 bits in blocks of 256 (``double``: QLoRA). None computes with float32 scales and counts what
            runtimes store: 32 bits per tensor or channel, 16 per group.
        sparsity: weights only: ``2:4`` keeps the 2 largest of each 4 neighbouring input channels, ``50%`` prunes that
            part of the weight, the smallest values. What is left is quantized; what is pruned is exactly zero.
        rank: weights only: the weight is the product of two matrices of that rank, each stored in the format; 0 for a
            weight of one piece. Where two factors would hold no fewer values it stays in one piece.
    """

    format: str = "fp32"
    granularity: GranularityName = "tensor"
    group_size: int = 0
    block: tuple[int, int] | None = None
    symmetric: bool = True
    range: RangeMethod = "minmax"
    percentile: float = 99.99
    clip: tuple[float, float] | None = None
    dynamic: bool = False
    rounding: Rounding = "half_even"
    seed: int = 0
    scale_format: ScaleFormat | None = None
    sparsity: str | None = None
    rank: int = 0

    @property
    def is_float32(self) -> bool:
        """Whether the tensor is left exactly as it is."""
        return self.format == "fp32" and not self.is_reduced

    @property
    def is_reduced(self) -> bool:
        """Whether a weight has fewer numbers than it came with: pruned, or the product of thin matrices."""
        return self.sparsity is not None or self.rank > 0

    @property
    def label(self) -> str:
        """The short name people read, such as ``int4 g32``; ``int4 pc g32`` is per channel, 32 tokens to a scale."""
        reduced = f" {self.sparsity}" if self.sparsity else f" rank {self.rank}" if self.rank else ""
        if self.granularity == "group":
            return f"{self.format} g{self.group_size}{reduced}"
        if self.granularity == "block" and self.block:
            return f"{self.format} b{self.block[0]}×{self.block[1]}{reduced}"
        tokens = f" g{self.group_size}" if self.group_size else ""
        return self.format + {"channel": f" pc{tokens}", "token": " tok"}.get(self.granularity, "") + reduced


FLOAT = TensorPlan()


class LayerPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One layer's weight plan and the plan of its input activation."""

    weight: TensorPlan = FLOAT
    activation: TensorPlan = FLOAT


FLOAT_LAYER = LayerPlan()


class AttentionPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How all attentions of a model hold what they compute with; see ``docs/attention.md``.

    Attributes:
        keys: of the cache, as attention multiplies them: behind a rotary embedding, before heads are repeated.
            Granularity ``channel`` with a ``group_size`` is a scale for each channel of each so many tokens (KIVI),
            ``token`` one for each token of each head, ``group`` one for each ``group_size`` channels of a token,
            ``tensor`` one scale from calibration. Integers that are not symmetric have a real minimum in the place of a
            zero point.
        values: of the cache, alike.
        window: how many of the newest tokens, the query's own among them, the cache keeps in full precision.
        scores: the products of queries and keys, before mask and softmax.
        probs: what softmax gives; a static range is 0 to 1, whatever was seen.
    """

    keys: TensorPlan = FLOAT
    values: TensorPlan = FLOAT
    window: int = 0
    scores: TensorPlan = FLOAT
    probs: TensorPlan = FLOAT

    @property
    def has_cache(self) -> bool:
        """Whether keys or values are quantized."""
        return not (self.keys.is_float32 and self.values.is_float32)

    @property
    def is_float32(self) -> bool:
        """Whether attention is left exactly as it is."""
        return not self.has_cache and self.scores.is_float32 and self.probs.is_float32


FLOAT_ATTENTION = AttentionPlan()


class Recipe(msgspec.Struct, frozen=True):
    """The whole choice. Hashable; equal recipes give equal results on equal model and data.

    Attributes:
        default: the plan of every convolution and matrix product that ``layers`` does not name.
        layers: plans by layer name, sorted, no name twice. Build with :func:`qdebug.recipes.set_layers`.
        fixes: applied in order before quantization (bias correction after it).
        between: the plan of activations that no layer reads but that runtimes hold in integers as well: what goes into
            and comes out of additions, poolings and the like, and what layers write (see ``qdebug.graph.points``).
        embeddings: the plan of the table of every embedding that ``layers`` does not name; what it reads are numbers of
            rows, which stay as they are. ``channel`` granularity is a scale for each row.
        bias: ``int32`` rounds the biases of layers whose input and weight are integers to multiples of both scales, as
            runtimes store them.
        attention: the plans of keys, values, scores and probabilities in all attentions.
        model: digest of the model the recipe was made for, or None where it fits any with these layers.
        version: the schema's version.
    """

    default: LayerPlan = FLOAT_LAYER
    layers: tuple[tuple[str, LayerPlan], ...] = ()
    fixes: tuple[Fix, ...] = ()
    between: TensorPlan = FLOAT
    embeddings: TensorPlan = FLOAT
    bias: BiasFormat = "fp32"
    attention: AttentionPlan = FLOAT_ATTENTION
    model: str | None = None
    version: int = VERSION

    def plan_for(self, layer: str, kind: str = "matmul") -> LayerPlan:
        """The plan of ``layer``; ``kind`` is the layer's kind, of which ``embedding`` has a default of its own."""
        for name, plan in self.layers:
            if name == layer:
                return plan
        if kind != "embedding":
            return self.default
        return FLOAT_LAYER if self.embeddings.is_float32 else LayerPlan(self.embeddings)

    @property
    def digest(self) -> str:
        """Sixteen hex digits that name this recipe's content (the model it was made for is left out)."""
        content = msgspec.json.encode((self.default, self.layers, self.fixes))
        if not self.between.is_float32 or self.bias != "fp32":
            content += msgspec.json.encode((self.between, self.bias))
        if not self.attention.is_float32:
            content += b"attention" + msgspec.json.encode(self.attention)
        if not self.embeddings.is_float32:
            content += msgspec.json.encode({"embeddings": self.embeddings})
        return hashlib.blake2b(content, digest_size=8).hexdigest()
