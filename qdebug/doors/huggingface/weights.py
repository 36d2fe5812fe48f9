"""The module of a folder with its weights, in float32."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from qdebug.doors.huggingface.config import Config
from qdebug.doors.huggingface.library import first_line, quiet
from qdebug.doors.huggingface.shards import find_shards
from qdebug.errors import ModelError

_UNUSED = ("pooler.",)
"""Parts that no output here is computed from: many folders leave their weights out."""


def load(config: Config) -> nn.Module:
    """Build the architecture and fill it; attention as fused products where the architecture has them.

    Raises:
        FileError: a file of weights is missing or damaged.
        ModelError: the weights do not fit the configuration.
    """
    find_shards(config.folder)
    if config.plain.get("quantization_config"):
        method = config.plain["quantization_config"].get("quant_method", "an unknown method")
        raise ModelError(
            f"The weights are quantized already (by {method}), which is not opened yet", file=config.folder,
            do="Give the folder of the float model.",
        )  # fmt: skip
    attention = "sdpa" if config.built._supports_sdpa else "eager"
    with quiet():
        try:
            model, told = config.built.from_pretrained(
                str(config.folder), config=config.library, local_files_only=True, use_safetensors=True,
                trust_remote_code=False, dtype=torch.float32, attn_implementation=attention, output_loading_info=True,
                ignore_mismatched_sizes=True,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - the library raises what it likes; the folder is the cause
            raise ModelError(
                f"The weights do not make a {config.architecture}: {first_line(error)}", file=config.folder,
                do="Download configuration and weights of one revision.",
            ) from None  # fmt: skip
    _check(config, told)
    whole: nn.Module = model.get_encoder() if config.kind == "speech" else model
    return whole.eval()


def _check(config: Config, told: dict[str, Any]) -> None:
    """Refuse to go on with weights that were not there: the library would draw them at random."""
    for name, held, wanted in sorted(told.get("mismatched_keys", ())):
        raise ModelError(
            f"'{name}' has shape {list(held)} in the weights, and config.json makes it {list(wanted)}",
            file=config.folder, do="Download configuration and weights of one revision.",
        )  # fmt: skip
    missing = sorted(one for one in told["missing_keys"] if not any(part in one for part in _UNUSED))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(
            f"The weights lack '{missing[0]}'{more}, which a {config.architecture} needs", file=config.folder,
            do="Correct \"architectures\" in config.json to what was saved, or download the weights again.",
        )  # fmt: skip
