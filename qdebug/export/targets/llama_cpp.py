"""llama.cpp: the list that ``llama-quantize --tensor-type-file`` reads.

Source: llama.cpp, ``tools/quantize`` (``--tensor-type-file``: ``name=type`` separated by white space, each name a
regular expression that is searched for), and ``gguf-py/gguf/tensor_mapping.py`` for the names of tensors.
"""

from __future__ import annotations

import re
from typing import Any

from qdebug.export.document import Document
from qdebug.export.targets import language, remarks
from qdebug.formats import Gguf, find
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer

TOOL = "llama.cpp"
_PARTS = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.qkv_proj": "attn_qkv", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate_up_proj": "ffn_up",
}  # fmt: skip
_WHOLE = {"lm_head": "output", "model.embed_tokens": "token_embd"}
_LAYER = re.compile(r"(?:.*\.)?layers\.(\d+)\.(.+)")
_GGUF = re.compile(r"blk\.\d+\.[a-z_0-9]+|output|token_embd")


def llama_cpp(decided: Decided, info: ModelInfo) -> Document:
    """A line for each tensor whose format llama.cpp has.

    Names are those of Llama and its relatives (Qwen, Mistral, Gemma, Phi-3 …), or GGUF's own.

    Raises:
        RecipeError: nothing of the recipe can be said.
    """
    found, unsaid = language.told(decided, TOOL, _say)
    lines = "".join(f"{pattern}={kind}\n" for _, (pattern, kind) in found)
    rest = language.left_out(decided, [layer for layer, _ in found])
    if rest:
        unsaid.append(
            f"{len(rest)} linear layers have no line ({', '.join(rest[:3])} …): {TOOL} gives them the type that the "
            "command names."
        )
    unsaid += [
        *remarks.on_names(info, "torch"), *remarks.on_fixes(decided), *remarks.on_rounding(decided, TOOL),
        *remarks.on_points(decided, TOOL), *remarks.on_biases(decided, TOOL),
    ]  # fmt: skip
    return Document("llama-cpp-tensor-types.txt", lines.encode("utf-8"), tuple(dict.fromkeys(unsaid)))


def gguf_name(module: str) -> str | None:
    """A layer's name in a GGUF file, without ``.weight``; None where it is not known here."""
    if _GGUF.fullmatch(module):
        return module
    if module in _WHOLE:
        return _WHOLE[module]
    match = _LAYER.fullmatch(module)
    part = _PARTS.get(match[2]) if match else None
    return f"blk.{match[1]}.{part}" if match and part else None


def _say(layer: DecidedLayer, unsaid: list[str]) -> Any | str:
    plan = layer.weight.plan
    form, columns = find(plan.format), layer.values.shape[1]
    name = gguf_name(layer.node)
    if name is None:
        return "its name in a GGUF file is not known"
    if isinstance(form, Gguf):
        stored = form.stored_as(columns)
        if stored != form.name:
            unsaid.append(f"{layer.layer.name}: {TOOL} stores rows of {columns} values as {stored}.")
        kind = form.name
    elif form.name in ("fp16", "bf16"):
        kind = {"fp16": "f16"}.get(form.name, form.name)
    else:
        return f"{TOOL} has no {plan.label}"
    if language.input_of(layer) is not None:
        unsaid.append(f"{layer.layer.name}: {TOOL} decides by itself how activations are quantized.")
    return rf"^{re.escape(name)}\.weight$", kind
