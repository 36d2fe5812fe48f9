"""Every tensor of a file: quantized layers as blocks, all others as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from qdebug.doors.checkpoints import Shards
from qdebug.errors import ModelError
from qdebug.export.gguf.architectures import Architecture, interleaved, names, rope_factors
from qdebug.export.gguf.blocks import Packed, packed_floats, packed_layer, simulated
from qdebug.quantize import rows
from qdebug.session.decided import Decided, DecidedLayer

_WEIGHT = ".weight"
_HEAD_WEIGHT = "lm_head.weight"
_LEFT_OUT = (".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")
"""What files of older libraries hold beside the weights."""


@dataclass
class Tensors:
    """The tensors of a recipe that was worked out.

    Attributes:
        decided: the recipe on the model.
        shards: the folder's tensors.
        config: the library's configuration.
        architecture: how it goes into a file.
        unsaid: gets a sentence for each layer that llama.cpp has no format for.
        blocks: how many layers are in block formats, once all have been asked for.
    """

    decided: Decided
    shards: Shards
    config: Any
    architecture: Architecture
    unsaid: list[str]
    blocks: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[tuple[str, Packed]]:
        """Names in the file, and bytes.

        Raises:
            ModelError: a tensor has no name there.
        """
        layers = {f"{layer.node}{_WEIGHT}": layer for layer in self.decided.layers}
        wanted = [name for name in self.shards if not name.endswith(_LEFT_OUT)]
        known = names(self.architecture, self.config.num_hidden_layers, [*wanted, _HEAD_WEIGHT])
        head = layers.get(_HEAD_WEIGHT)
        if head is not None and _HEAD_WEIGHT not in self.shards and not self._is_as_embedding(head):
            if _HEAD_WEIGHT in known:
                wanted.append(_HEAD_WEIGHT)
            else:
                self.unsaid.append(
                    f"{head.layer.name}: the weight is the embedding's in llama.cpp, and quantized as that is."
                )
        for name in wanted:
            if name not in known:
                raise ModelError(
                    f"The tensor '{name}' has no name in a GGUF file of {self.architecture.name}",
                    do="Convert the model with llama.cpp's own script.",
                )
            layer = layers.get(name)
            packed = self._float(name, layer) if layer is None else self._layer(name, layer)
            yield known[name], packed.in_order(self._order(known[name], len(packed.content)))
        factors = rope_factors(self.config)
        if factors is not None:
            yield "rope_freqs.weight", packed_floats(factors)

    def _is_as_embedding(self, head: DecidedLayer) -> bool:
        """Whether the embedding, whose weight this is too, is quantized alike: then one tensor serves both."""
        return all(
            one.weight.plan == head.weight.plan for one in self.decided.layers if one.weight.name == head.weight.name
        )

    def _layer(self, name: str, layer: DecidedLayer) -> Packed:
        plan = layer.weight.plan
        if plan.is_float32 or layer.basis is not None:
            if layer.basis is not None:
                self.unsaid.append(f"{layer.layer.name}: the weight stays float: its input is in another basis.")
            return self._float(name, layer)
        found = packed_layer(layer)
        if found is not None:
            self.blocks += 1
            return found
        packed = packed_floats(simulated(layer))
        self.unsaid.append(
            f"{layer.layer.name}: llama.cpp has no blocks for these values ({plan.label}, rows of "
            f"{layer.values.shape[1 - layer.layer.out_axis]}); they are stored rounded, as {packed.kind}."
        )
        return packed

    def _float(self, name: str, layer: DecidedLayer | None) -> Packed:
        """A tensor that is not quantized: a fix's, or the folder's own."""
        own = self.shards.get(name)
        values = self.decided.replaced.get(name)
        if values is None:  # under another name where two layers share it
            values = layer.values if layer is not None and layer.weight.name in self.decided.replaced else own
        if values is None:
            assert layer is not None
            values = layer.values
        if layer is not None and values.dim() == 2:
            values = rows(values, layer.layer.out_axis)
        if self.architecture.adds_one and name.endswith("norm.weight"):
            values = values.float() + 1
        return packed_floats(values, own.dtype if own is not None else None)

    def _order(self, name: str, count: int) -> Tensor | None:
        """The order of a tensor's rows in the file; None where it is the folder's."""
        if not self.architecture.interleaves:
            return None
        part = name.split(".")[-2]
        heads = {"attn_q": self.config.num_attention_heads, "attn_k": self.config.num_key_value_heads}.get(part)
        return None if heads is None else interleaved(count, heads)


def as_array(packed: Packed) -> Any:
    """The bytes as numpy has them; bfloat16, which it does not know, as pairs of bytes."""
    content = packed.content.contiguous()
    return content.view(torch.uint8).numpy() if packed.kind == "bf16" else content.numpy()
