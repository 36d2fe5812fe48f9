"""Models with one output: what each kind says, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from qdebug.doors.huggingface.config import Kind


class _Head(nn.Module):
    """A model under another ``forward``, with the names of its own parameters and modules."""

    whole_model: Callable[..., Any]

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        object.__setattr__(self, "whole_model", model)  # not as a child: layers keep the checkpoint's names
        self._modules, self._parameters, self._buffers = model._modules, model._parameters, model._buffers
        self.training = model.training


class _Causal(_Head):
    """Scores of the next token ``[N, T, V]``."""

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.whole_model(input_ids=input_ids, use_cache=False).logits


class _Scores(_Head):
    """Scores of classes ``[N, C]`` or, of a token each, ``[N, T, C]``."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.whole_model(input_ids=input_ids, attention_mask=attention_mask).logits


class _Hidden(_Head):
    """Hidden states ``[N, T, H]``; zero where a text is padded."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.whole_model(input_ids=input_ids, attention_mask=attention_mask)[0]
        return hidden * attention_mask.unsqueeze(-1).to(hidden.dtype)


class _Embedding(_Head):
    """Mean-pooled embeddings of unit length ``[N, H]`` (Reimers and Gurevych 2019)."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.whole_model(input_ids=input_ids, attention_mask=attention_mask)[0]
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=-1)


class _Translated(_Head):
    """Scores of the next token of the answer ``[N, T, V]``, the earlier ones given."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor, decoder_input_ids: Tensor) -> Tensor:
        return self.whole_model(
            input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids, use_cache=False
        ).logits


class _Picture(_Head):
    """Scores of classes ``[N, C]``."""

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.whole_model(pixel_values=pixel_values).logits


class _PictureHidden(_Head):
    """The last hidden state."""

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.whole_model(pixel_values=pixel_values)[0]


class _Speech(_Head):
    """The encoder's hidden states ``[N, T, H]`` of log-mel spectrograms ``[N, mels, frames]``."""

    def forward(self, input_features: Tensor) -> Tensor:
        return self.whole_model(input_features)[0]


_KINDS: dict[Kind, type[_Head]] = {
    "causal": _Causal, "masked": _Scores, "text-classes": _Scores, "token-classes": _Scores, "hidden": _Hidden,
    "embedding": _Embedding, "seq2seq": _Translated, "image": _Picture, "image-hidden": _PictureHidden,
    "speech": _Speech,
}  # fmt: skip


def with_head(model: nn.Module, kind: Kind) -> nn.Module:
    """The model with one output, by the parameter names of what it is fed."""
    return _KINDS[kind](model)


def dummy(kind: Kind, model: nn.Module, length: int) -> dict[str, Tensor]:
    """Two samples of nothing, in the shapes that the model takes.

    Args:
        kind: what it reads.
        model: the model.
        length: tokens.
    """
    settings: Any = model.config
    if kind in ("image", "image-hidden"):
        size = getattr(settings, "image_size", 224) or 224
        height, width = (size, size) if isinstance(size, int) else size
        return {"pixel_values": torch.zeros(2, getattr(settings, "num_channels", 3), height, width)}
    if kind == "speech":
        return {"input_features": torch.zeros(2, settings.num_mel_bins, 2 * settings.max_source_positions)}
    ids = torch.zeros(2, length, dtype=torch.int64)
    found = {"input_ids": ids}
    if kind != "causal":
        found["attention_mask"] = torch.ones_like(ids)
    if kind == "seq2seq":
        found["decoder_input_ids"] = ids
    return found
