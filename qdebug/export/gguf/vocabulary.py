"""A tokenizer as a GGUF file says it: tokens, their kinds, merges, and by what rule text is cut before they apply.

Source: llama.cpp, ``src/llama-vocab.cpp`` (the expressions that each ``tokenizer.ggml.pre`` stands for) and the
``tokenizer.json`` of the package tokenizers. Only byte-level BPE is written; whatever else there is would have to be
guessed at.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qdebug.errors import FileError

NORMAL, CONTROL, USER, UNUSED = 1, 3, 4, 5
"""Kinds of tokens (``llama_token_type``)."""

_MOST = 1 << 27
"""Bytes of a tokenizer's file; those of the largest vocabularies take 40 MB."""
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def tell(writer: Any, folder: Path, rows: int, unsaid: list[str]) -> None:
    """Write the folder's tokenizer; where it cannot be said, that there is none, and a sentence why.

    Args:
        writer: a ``GGUFWriter``.
        folder: with ``tokenizer.json``.
        rows: tokens that the embedding has; those without a name are told to be unused.
        unsaid: gets a sentence for each thing that is left out.
    """
    file = folder / "tokenizer.json"
    found = _read(file)
    why = _obstacle(found, rows)
    if why:
        writer.add_tokenizer_model("none")
        unsaid.append(f"The tokenizer is not in the file: {why}. Give llama.cpp tokens by their numbers.")
        return
    tokens, kinds = _tokens(found, rows)
    writer.add_tokenizer_model("gpt2")
    rule = _rule(found)
    if rule:
        writer.add_tokenizer_pre(rule)
    else:
        unsaid.append(
            "By what rule the tokenizer cuts text into words is none that has a name in llama.cpp here; it takes its "
            "own and may find other tokens."
        )
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([one if isinstance(one, str) else " ".join(one) for one in found["model"]["merges"]])
    if (found.get("normalizer") or {}).get("type") == "NFC":
        unsaid.append("The tokenizer composes characters first (NFC); llama.cpp takes them as they come.")
    _special(writer, folder, found, {token: at for at, token in enumerate(tokens)})


def _read(file: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is no file.

    Raises:
        FileError: it is too large, or none.
    """
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_bytes()) if file.stat().st_size <= _MOST else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FileError("This is no JSON object of a tokenizer, or too large", file=file, do="Download it again.")
    return found


def _obstacle(found: dict[str, Any], rows: int) -> str | None:
    """Why a tokenizer is not written, as the end of a sentence."""
    model = found.get("model") or {}
    if model.get("type") != "BPE":
        return (
            f"it is of the kind {model.get('type')}, and byte-level BPE alone is written" if found else "there is none"
        )
    if model.get("byte_fallback") or not _is_byte_level(found.get("pre_tokenizer")):
        return "its pieces are not those of bytes, and scores that llama.cpp wants of such pieces are not in the folder"
    ids = [*model["vocab"].values(), *(one["id"] for one in found.get("added_tokens") or [])]
    if max(ids, default=-1) >= rows:
        return f"it has the token {max(ids)}, and the embedding {rows} rows"
    if any(not isinstance(one, str) and any(" " in part for part in one) for one in model["merges"]):
        return "a merge joins pieces with spaces"
    return None


def _steps(found: Any) -> list[dict[str, Any]]:
    """What is done to text before the merges, step by step."""
    if not isinstance(found, dict):
        return []
    if found.get("type") == "Sequence":
        return [step for one in found.get("pretokenizers", []) for step in _steps(one)]
    return [found]


def _is_byte_level(found: Any) -> bool:
    return any(step.get("type") == "ByteLevel" for step in _steps(found))


def _rule(found: dict[str, Any]) -> str | None:
    """llama.cpp's name for how text is cut; None where no name stands for just that."""
    kinds = [_step(step) for step in _steps(found["pre_tokenizer"])]
    normalizer = (found.get("normalizer") or {}).get("type")
    ignores = bool(found["model"].get("ignore_merges"))
    match kinds, normalizer:
        case ["bytes and words"], None:
            return "gpt-2"
        case ["digits", "bytes and words"], None:
            return "smollm"
        case [("split", pattern), "bytes"], None if pattern == _LLAMA3 and ignores:
            return "llama-bpe"
        case [("split", pattern), "bytes"], "NFC" if pattern == _QWEN2:
            return "qwen2"
    return None


def _step(step: dict[str, Any]) -> object:
    match step:
        case {"type": "ByteLevel", "add_prefix_space": False, **rest}:
            return "bytes and words" if rest.get("use_regex", True) else "bytes"
        case {"type": "Digits", "individual_digits": True}:
            return "digits"
        case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"} if not step.get("invert"):
            return "split", pattern
    return "other"


def _tokens(found: dict[str, Any], rows: int) -> tuple[list[str], list[int]]:
    tokens, kinds = [f"[PAD{at}]" for at in range(rows)], [UNUSED] * rows
    for token, at in found["model"]["vocab"].items():
        tokens[at], kinds[at] = token, NORMAL
    for one in found.get("added_tokens") or []:
        tokens[one["id"]], kinds[one["id"]] = one["content"], CONTROL if one.get("special") else USER
    return tokens, kinds


def _special(writer: Any, folder: Path, found: dict[str, Any], places: dict[str, int]) -> None:
    """The tokens with a part to play, whether a text begins and ends with one, and how messages are joined."""
    config = _read(folder / "tokenizer_config.json")
    add = {
        "bos_token": writer.add_bos_token_id, "eos_token": writer.add_eos_token_id,
        "unk_token": writer.add_unk_token_id, "pad_token": writer.add_pad_token_id,
        "sep_token": writer.add_sep_token_id,
    }  # fmt: skip
    ids: dict[str, int] = {}
    for name, write in add.items():
        token = config.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        if token in places:
            ids[name] = places[token]
            write(places[token])
    from tokenizers import Tokenizer

    text = Tokenizer.from_str(json.dumps(found)).encode("a").ids
    writer.add_add_bos_token(bool(text) and text[0] == ids.get("bos_token"))
    writer.add_add_eos_token(len(text) > 1 and text[-1] == ids.get("eos_token"))
    template = folder / "chat_template.jinja"
    chat = template.read_text("utf-8") if template.is_file() else config.get("chat_template")
    if isinstance(chat, str):
        writer.add_chat_template(chat)
