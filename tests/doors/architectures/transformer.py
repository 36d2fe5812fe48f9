"""Transformers from their published implementations, by a small configuration and random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

VOCABULARY, STEPS, WIDTH = 96, 12, 32


class Logits(nn.Module):
    """Calls a model with tensors in an order of their own and returns its logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class OfImages(Logits):
    """Pixels in."""

    def forward(self, images: Tensor) -> Tensor:
        """``[N, 3, 16, 16]`` to ``[N, classes]``."""
        return self.model(pixel_values=images).logits


class OfTokens(Logits):
    """Tokens in, all of them attended to."""

    def forward(self, input_ids: Tensor) -> Tensor:
        """int64 ``[N, steps]`` to ``[N, steps, vocabulary]``."""
        return self.model(input_ids=input_ids, use_cache=False).logits


class OfMaskedTokens(Logits):
    """Tokens in, and which of them are none."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """int64 ``[N, steps]`` twice to ``[N, steps, vocabulary]``."""
        return self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits


class OfSentences(Logits):
    """Tokens in, which of them are none, and which of two sentences each belongs to."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """int64 ``[N, steps]`` three times to ``[N, steps, vocabulary]``."""
        return self.model(input_ids, attention_mask, token_type_ids).logits


def _random(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model in evaluation mode, with weights that let attention choose and normalizations that do something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, 1 / 6 if "emb" not in name and "wte" not in name else 0.6, generator=generator)
            elif name.endswith("weight"):
                weight.uniform_(0.7, 1.3, generator=generator)
            else:
                weight.normal_(0, 0.1, generator=generator)
    return model.eval()


def vit() -> nn.Module:
    """ViT (Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929): patches, a class token, two blocks."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4, intermediate_size=2 * WIDTH, image_size=16,
        patch_size=4, num_labels=10, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return OfImages(_random(ViTForImageClassification(config)))


def bert() -> nn.Module:
    """BERT (Devlin et al. 2019, https://arxiv.org/abs/1810.04805) with its masked-language head."""
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=2 * WIDTH, max_position_embeddings=32,
    )  # fmt: skip
    return OfSentences(_random(BertForMaskedLM(config)))


def gpt2() -> nn.Module:
    """GPT-2: learned positions, weights stored as input × output, a head that shares the embedding's weight."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=VOCABULARY, n_positions=32, n_embd=WIDTH, n_layer=2, n_head=4)
    return OfTokens(_random(GPT2LMHeadModel(config)))


def _decoder(kind: str, **more: Any) -> nn.Module:
    """A decoder with rotary positions, RMS normalization, gated linear units and two queries to a key."""
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, **more,
    )  # fmt: skip
    model = _random(getattr(transformers, f"{kind}ForCausalLM")(config))
    return OfMaskedTokens(model)


def llama() -> nn.Module:
    """Llama (Touvron et al. 2023, https://arxiv.org/abs/2302.13971) with grouped queries."""
    return _decoder("Llama")


def qwen2() -> nn.Module:
    """Qwen2 (https://arxiv.org/abs/2407.10671): biases in the projections to queries, keys and values; a tied head."""
    return _decoder("Qwen2", tie_word_embeddings=True)


def qwen3() -> nn.Module:
    """Qwen3 (https://arxiv.org/abs/2505.09388): normalizations of each head's queries and keys."""
    return _decoder("Qwen3", head_dim=8)


def tokens(mask: bool) -> Callable[[int, torch.Generator], dict[str, Tensor]]:
    """Draws ``input_ids`` and, if asked, an ``attention_mask`` that ends sequences early."""

    def draw(batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        drawn = {"input_ids": torch.randint(0, VOCABULARY, (batch, STEPS), generator=generator)}
        if mask:
            lengths = STEPS - torch.arange(batch)[:, None] % 4
            drawn["attention_mask"] = (torch.arange(STEPS) < lengths).long()
        return drawn

    return draw


def sentences(batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """``input_ids``, ``attention_mask`` and ``token_type_ids``, the second sentence from the sixth token on."""
    drawn = tokens(True)(batch, generator)
    return drawn | {"token_type_ids": (torch.arange(STEPS) >= 5).long().repeat(batch, 1)}
