"""``config.json``: which architecture, and what it is for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qdebug.doors.huggingface.library import first_line, hushed, quiet, transformers
from qdebug.errors import FileError, ModelError, near

Kind = Literal[
    "causal", "masked", "embedding", "hidden", "text-classes", "token-classes", "seq2seq", "image", "image-hidden",
    "speech",
]  # fmt: skip
"""What a model reads and says.

``causal``, ``masked``, ``seq2seq``: text to scores of tokens. ``text-classes``, ``token-classes``: text to scores of
classes. ``embedding``: text to one vector (mean of the hidden states); ``hidden``: text to a vector a token. ``image``:
pictures to scores of classes; ``image-hidden``: to hidden states. ``speech``: log-mel spectrograms to hidden states.
"""

_HEADS: tuple[tuple[str, Kind], ...] = (
    ("ForCausalLM", "causal"), ("LMHeadModel", "causal"), ("ForMaskedLM", "masked"),
    ("ForSequenceClassification", "text-classes"), ("ForTokenClassification", "token-classes"),
    ("ForImageClassification", "image"), ("ForConditionalGeneration", "seq2seq"), ("EncoderModel", "hidden"),
    ("Model", "hidden"),
)  # fmt: skip
_MOST = 2**24


@dataclass(frozen=True)
class Config:
    """A configuration that is understood.

    Attributes:
        folder: where it lies.
        plain: ``config.json``.
        library: the library's own object of it.
        architecture: the library's class, by name.
        kind: what the model reads and says.
        own_code: the files of code that it names, which are never run.
    """

    folder: Path
    plain: dict[str, Any]
    library: Any
    architecture: str
    kind: Kind
    own_code: tuple[str, ...] = ()

    @property
    def built(self) -> Any:
        """The library's class."""
        return getattr(transformers(), self.architecture)


def read_config(folder: Path) -> Config:
    """Read and understand it.

    Raises:
        FileError: it is missing or no JSON object.
        ModelError: the architecture is not known, or exists as code in the folder alone.
    """
    plain = read_json(folder / "config.json")
    own_code = tuple(sorted({str(name).partition("--")[2] or str(name) for name in _values(plain.get("auto_map"))}))
    architecture = _architecture(folder, plain, own_code)
    settings = {key: value for key, value in plain.items() if key not in ("auto_map", "quantization_config")}
    with quiet():
        try:
            found = getattr(transformers(), architecture).config_class.from_dict(settings)
        except Exception as error:  # noqa: BLE001 - every configuration class checks in its own way
            raise ModelError(
                f"config.json does not describe a {architecture}: {first_line(error)}", file=folder / "config.json",
                do="Download the folder again, or correct the value.",
            ) from None  # fmt: skip
    return Config(folder, plain, found, architecture, _kind(folder, architecture), own_code)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        FileError: the file is missing, too large, or holds none.
    """
    if not file.is_file():
        raise FileError("The folder lacks a file", file=file, do="Download the folder again, with all its files.")
    if file.stat().st_size > _MOST:
        raise FileError(
            f"This is too large for a description ({file.stat().st_size} bytes)", file=file,
            do="Is it the right file?",
        )  # fmt: skip
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FileError(f"This is no JSON: {first_line(error)}", file=file, do="Download it again.") from None
    if not isinstance(found, dict):
        raise FileError("This holds no JSON object", file=file, do="Download it again.")
    return found


def _architecture(folder: Path, plain: dict[str, Any], own_code: tuple[str, ...]) -> str:
    """The class to build; only those of the library are ever looked up."""
    found = transformers()
    named = plain.get("architectures") or []
    name = str(named[0]) if isinstance(named, list) and named else ""
    with hushed():
        known = getattr(found, name, None) if name.isidentifier() else None
    if isinstance(known, type) and issubclass(known, found.PreTrainedModel):
        return name
    if own_code:
        raise ModelError(
            f"'{name or 'This model'}' exists only as code in its folder ({', '.join(own_code)}), which qdebug never "
            "runs", file=folder / "config.json",
            do="Build the model yourself and give the module: qdebug.open(model, inputs, data=…).",
        )  # fmt: skip
    if not name:
        do = 'Add "architectures": ["…"], the class that the weights were saved from.'
        raise ModelError("config.json does not say which architecture this is", file=folder / "config.json", do=do)
    mapping = found.models.auto.modeling_auto.MODEL_MAPPING_NAMES
    raise ModelError(
        f"The architecture '{name}' is not known to transformers {found.__version__}", file=folder / "config.json",
        do=f"{near(str(plain.get('model_type', '')), mapping)} Or install a newer transformers.",
    )  # fmt: skip


def _kind(folder: Path, architecture: str) -> Kind:
    """What the class is for. Its name says it: so the library's own pipelines go by it too."""
    reads = getattr(transformers(), architecture).main_input_name
    ends: Kind | None = next((kind for end, kind in _HEADS if architecture.endswith(end)), None)
    if reads == "input_features":
        return "speech"
    if reads == "pixel_values" and ends in ("image", "hidden"):
        return "image" if ends == "image" else "image-hidden"
    if reads == "input_ids" and ends is not None:
        return "embedding" if ends == "hidden" and (folder / "modules.json").is_file() else ends
    raise ModelError(
        f"What {architecture} reads and says is not understood here", file=folder / "config.json",
        do="Give the module with its inputs: qdebug.open(model, inputs, data=…).",
    )  # fmt: skip


def _values(given: object) -> list[object]:
    """All names that an ``auto_map`` gives: a tokenizer's are a pair."""
    values = list(given.values()) if isinstance(given, dict) else []
    return [one for value in values for one in (value if isinstance(value, list) else [value]) if one]
