"""The module of a folder with its weights, in float32."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qdebug.doors.checkpoints import Checkpoint as PackedWeights
from qdebug.doors.checkpoints import Shards, read_checkpoint
from qdebug.doors.huggingface.config import Config
from qdebug.doors.huggingface.experts import unfold
from qdebug.doors.huggingface.library import first_line, quiet
from qdebug.doors.huggingface.standins import StandIns
from qdebug.doors.stored import Checkpoint as Stored
from qdebug.doors.stored import find_checkpoint
from qdebug.errors import FileError, ModelError

SAFE = "model.safetensors"
_COUNTS = re.compile(r".*(layers?|blocks|depths?|experts|stages)")
_ALWAYS = 512
"""Parts of which a library builds as many as it is told; so many cost little."""
_UNUSED = ("pooler.",)
"""Parts that no output here is computed from: many folders leave their weights out."""


def stored_quantized(config: Config) -> PackedWeights | None:
    """What the folder says of weights that are quantized already; None where they are float.

    Raises:
        FileError: a file of weights is missing or damaged.
        ModelError: the method is not known.
    """
    said = config.plain.get("quantization_config")
    return read_checkpoint(Shards(config.folder), said) if isinstance(said, dict) and said else None


def load(config: Config, packed: PackedWeights | None = None) -> nn.Module:
    """Build the architecture and fill it; attention as fused products where the architecture has them.

    Args:
        config: the folder's configuration.
        packed: weights that are quantized, which are decoded.

    Raises:
        FileError: a file of weights is missing or damaged.
        ModelError: the weights do not fit the configuration.
    """
    _check_counts(config, len(checkpoint(config.folder).tensors))
    return _built(config, None if packed is None else dict(packed.floats()))


def load_blank(config: Config, stand_ins: StandIns) -> nn.Module | None:
    """Build the architecture with stand-ins for its weights; None where one would be made of several or of a part.

    Args:
        config: the folder's configuration.
        stand_ins: of the folder's checkpoint.

    Raises:
        ModelError: the weights do not fit the configuration.
    """
    _check_counts(config, len(stand_ins.tensors))
    model = _built(config, dict(stand_ins.tensors))
    unfold(model)
    return model if stand_ins.are_all_of(model) else None


def _built(config: Config, weights: dict[str, Tensor] | None) -> nn.Module:
    """The architecture with weights by their names in the checkpoint, or with those of the folder."""
    given: dict[str, Any] = {"use_safetensors": True, "local_files_only": True}
    if weights is not None:
        given = {"state_dict": weights}
    attention = "sdpa" if config.built._supports_sdpa else "eager"
    with quiet():
        try:
            model, told = config.built.from_pretrained(
                str(config.folder) if weights is None else None, config=config.library, trust_remote_code=False,
                dtype=torch.float32, attn_implementation=attention, output_loading_info=True,
                ignore_mismatched_sizes=True, **given,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - the library raises what it likes; the folder is the cause
            raise ModelError(
                f"The weights do not make a {config.architecture}: {first_line(error)}", file=config.folder,
                do="Download configuration and weights of one revision.",
            ) from None  # fmt: skip
    _check(config, told)
    whole: nn.Module = model.get_encoder() if config.kind == "speech" else model
    return whole.eval()


def checkpoint(folder: Path) -> Stored:
    """What lies in the folder's safetensors files.

    Raises:
        FileError: there are none (pickles are refused), a shard is missing, or an index says what is not so.
    """
    if not list(folder.glob("*.safetensors")):
        pickled = sorted(one.name for kind in ("*.bin", "*.pt", "*.pth", "*.ckpt") for one in folder.glob(kind))
        if pickled:
            raise FileError(
                f"The weights are pickles ({pickled[0]}), and opening one can run code", file=folder,
                do="Save the model as safetensors: model.save_pretrained(folder).",
            )  # fmt: skip
        raise FileError("The folder has no weights in safetensors", file=folder, do="Download them too.")
    named = next((one for one in (f"{SAFE}.index.json", SAFE) if (folder / one).is_file()), "")
    return find_checkpoint(folder / named)


def _check_counts(config: Config, stored: int) -> None:
    """Refuse more layers than there are tensors: the library would build them all before it finds none for them."""
    said: list[tuple[str, object]] = list(config.plain.items())
    while said:
        key, value = said.pop()
        if isinstance(value, dict):
            said += [(str(name), one) for name, one in value.items()]
        elif isinstance(value, list):
            said += [(key, one) for one in value]
        elif isinstance(value, int) and _COUNTS.fullmatch(key) and value > max(stored, _ALWAYS):
            raise ModelError(
                f"config.json says '{key}' is {value:,}, and the weights are {stored:,} tensors", file=config.folder,
                do="Download configuration and weights of one revision.",
            )  # fmt: skip


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
