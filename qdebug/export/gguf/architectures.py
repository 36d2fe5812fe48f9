"""Architectures that GGUF files are written of, and what such a file says of them.

Source: llama.cpp, ``convert_hf_to_gguf.py`` and ``src/llama-model.cpp`` (the keys that each architecture reads);
``gguf`` 0.19 for the keys' names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qdebug.errors import ModelError, near


@dataclass(frozen=True)
class Architecture:
    """How one of the library's classes goes into a file.

    Attributes:
        name: llama.cpp's name.
        interleaves: whether rows of queries and keys are put in the order of rotated pairs.
        adds_one: whether norms are stored with the one that the model adds to them.
        rotates: whether positions turn queries and keys.
        head_dim: whether heads may have a size of their own.
    """

    name: str
    interleaves: bool = False
    adds_one: bool = False
    rotates: bool = True
    head_dim: bool = True


ARCHITECTURES = {
    "LlamaForCausalLM": Architecture("llama", interleaves=True),
    "MistralForCausalLM": Architecture("llama", interleaves=True),
    "Qwen2ForCausalLM": Architecture("qwen2"),
    "Qwen3ForCausalLM": Architecture("qwen3"),
    "Phi3ForCausalLM": Architecture("phi3", head_dim=False),
    "Gemma2ForCausalLM": Architecture("gemma2", adds_one=True),
    "GPT2LMHeadModel": Architecture("gpt2", rotates=False, head_dim=False),
}
"""By the library's class. Each is one that transformers reads again from the file, which the tests do."""

_WINDOWED = ("gemma2", "phi3")
"""Those that llama.cpp keeps to a sliding window."""


def architecture_of(name: str) -> Architecture:
    """How a class goes into a file.

    Raises:
        ModelError: it is not known here.
    """
    if name not in ARCHITECTURES:
        raise ModelError(f"How {name} goes into a GGUF file is not known here", do=near(name, ARCHITECTURES))
    return ARCHITECTURES[name]


def describe(writer: Any, config: Any, architecture: Architecture, unsaid: list[str]) -> None:
    """Write what the file says of the architecture.

    Args:
        writer: a ``GGUFWriter``.
        config: the library's configuration.
        architecture: how it goes in.
        unsaid: gets a sentence for each thing that llama.cpp does not know of it.

    Raises:
        ModelError: positions are scaled in a way that is not written here.
    """
    heads, width = config.num_attention_heads, config.hidden_size
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(width)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", None) or _inner(config))
    writer.add_head_count(heads)
    writer.add_vocab_size(config.vocab_size)
    if architecture.name == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    size = head_size(config)
    if architecture.head_dim:
        writer.add_key_length(size)
        writer.add_value_length(size)
    _window(writer, config, architecture, unsaid)
    _rope(writer, config, size)
    if architecture.name == "gemma2":
        for limit, add in (
            (config.attn_logit_softcapping, writer.add_attn_logit_softcapping),
            (config.final_logit_softcapping, writer.add_final_logit_softcapping),
        ):
            if limit is not None:
                add(limit)
        # llama.cpp scales by the size of a head, but of the 27B model by the width of all of them
        if config.query_pre_attn_scalar != size:
            unsaid.append(
                f"Attention is scaled by the root of {config.query_pre_attn_scalar}; llama.cpp takes that of a head's "
                f"{size} numbers."
            )


def head_size(config: Any) -> int:
    """Numbers of an attention head."""
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def interleaved(rows: int, heads: int) -> Tensor:
    """The order of rows that llama.cpp's rotation wants of a Llama's queries and keys: pairs side by side.

    The library keeps the first halves of all pairs of a head before the second ones.
    """
    return torch.arange(rows).view(heads, 2, rows // heads // 2).transpose(1, 2).reshape(-1)


def rope_factors(config: Any) -> Tensor | None:
    """What each frequency of the rotation is divided by in Llama 3's scaling, float32; None where there is none.

    Source: "The Llama 3 Herd of Models" (arXiv 2407.21783) in its published code: wavelengths beyond the old context
    are stretched by the factor, short ones left alone, and those between are mixed.
    """
    said = _rope_of(config)
    if said.get("rope_type") != "llama3":
        return None
    size, old = head_size(config), said["original_max_position_embeddings"]
    waves = 2 * math.pi * said["rope_theta"] ** (torch.arange(0, size, 2, dtype=torch.float64) / size)
    low, high = said["low_freq_factor"], said["high_freq_factor"]
    share = ((old / waves - low) / (high - low)).clamp(0, 1)
    return (1 / ((1 - share) / said["factor"] + share)).float()


def _rope(writer: Any, config: Any, size: int) -> None:
    said = _rope_of(config)
    kind = said.get("rope_type", "default")
    writer.add_rope_freq_base(float(said.get("rope_theta", 10000.0)))
    writer.add_rope_dimension_count(int(size * said.get("partial_rotary_factor", 1.0)))
    if kind == "linear":
        import gguf

        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(said["factor"])
    elif kind not in ("default", "llama3"):
        raise ModelError(
            f"Positions are scaled by '{kind}', which is not written into GGUF files here",
            do="Write another target, or convert the model with llama.cpp's own script.",
        )


def _rope_of(config: Any) -> dict[str, Any]:
    found = getattr(config, "rope_parameters", None) or {}
    if "rope_theta" not in found and any(isinstance(one, dict) for one in found.values()):
        raise ModelError(
            "Kinds of layers turn positions each in its own way, which is not written into GGUF files here",
            do="Write another target, or convert the model with llama.cpp's own script.",
        )
    return dict(found)


def _window(writer: Any, config: Any, architecture: Architecture, unsaid: list[str]) -> None:
    window = getattr(config, "sliding_window", None)
    if not window or getattr(config, "use_sliding_window", True) is False:
        return
    if architecture.name in _WINDOWED:
        writer.add_sliding_window(window)
    elif window < config.max_position_embeddings:
        unsaid.append(
            f"Attention reaches {window} tokens back; llama.cpp lets this architecture look at all of them. Up to "
            f"{window} tokens it is the same."
        )


def _inner(config: Any) -> int:
    return getattr(config, "n_inner", None) or 4 * config.hidden_size


def names(architecture: Architecture, blocks: int, modules: Iterable[str]) -> dict[str, str]:
    """The names that tensors have in a file, by their names in the folder; what has none there is left out."""
    import gguf

    found = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}[architecture.name]
    table = gguf.get_tensor_name_map(found, blocks)
    known = {module: table.get_name(module, (".weight", ".bias")) for module in modules}
    return {module: name for module, name in known.items() if name is not None}
