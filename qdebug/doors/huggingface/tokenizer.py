"""Text to token numbers, by the folder's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qdebug.doors.huggingface.config import Config, read_json
from qdebug.doors.huggingface.library import first_line, quiet, transformers
from qdebug.errors import DataError, FileError

_AFTER_PADDING = ("roberta", "xlm-roberta", "xlm-roberta-xl", "roberta-prelayernorm", "camembert", "mpnet", "xmod")
"""Model types that number positions from behind the padding token's number: so many of their positions are unused."""
_UNSAID = 10**9


_OUTSIDE = ("vocab", "merges")
"""What the library takes for the name of any file on the disk, where it is a text and no list."""


def _check_names(file: Path) -> None:
    """Refuse a description that makes the library read files of other folders.

    Raises:
        FileError: it does, or is no JSON.
    """
    if not file.is_file():
        return
    said = read_json(file)
    for key in _OUTSIDE:
        if isinstance(said.get(key), str):
            raise FileError(
                f"The tokenizer's '{key}' names a file, '{said[key][:80]}', which is not read", file=file,
                do="Put tokenizer.json into the folder, and take the entry out.",
            )  # fmt: skip


class Tokenizer:
    """The tokenizer of a folder.

    Raises:
        FileError: the folder has none, or a damaged one.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        _check_names(config.folder / "tokenizer_config.json")
        with quiet():
            try:
                self._own: Any = transformers().AutoTokenizer.from_pretrained(
                    str(config.folder), local_files_only=True, trust_remote_code=False
                )
            except Exception as error:  # noqa: BLE001 - the library raises what it likes; the folder is the cause
                raise FileError(
                    f"The folder's tokenizer cannot be read: {first_line(error)}", file=config.folder,
                    do="Add tokenizer.json and tokenizer_config.json, or give token numbers as an .npz.",
                ) from None  # fmt: skip

    @property
    def end(self) -> int | None:
        """What ends a document, where there is such a token."""
        return self._own.eos_token_id

    @property
    def padding(self) -> int:
        """What texts are filled up with; masked wherever it stands."""
        return self._own.pad_token_id if self._own.pad_token_id is not None else 0

    @property
    def positions(self) -> int:
        """The most tokens that the model reads; a very large number where it does not say."""
        settings = self._config.library
        said = [getattr(settings, name, None) for name in ("max_position_embeddings", "n_positions")]
        most = min((one for one in said if isinstance(one, int) and one > 0), default=_UNSAID)
        if settings.model_type in _AFTER_PADDING:
            most -= (settings.pad_token_id or 0) + 1
        own = self._own.model_max_length
        return min(most, own if isinstance(own, int) and 0 < own < _UNSAID else most)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text's tokens, with the special ones that the tokenizer adds.

        Raises:
            DataError: a number is none of the model's.
        """
        with quiet():
            found: list[list[int]] = self._own(list(texts), add_special_tokens=True)["input_ids"]
        most = getattr(self._config.library, "vocab_size", None) or _UNSAID
        for text, ids in zip(texts, found, strict=True):
            wrong = max(ids, default=0)
            if wrong >= most:
                raise DataError(
                    f"The tokenizer gives the number {wrong} in '{text[:40]}', and the model knows {most} tokens",
                    file=self._config.folder, do="Use the tokenizer that the model was trained with.",
                )  # fmt: skip
        return found

    def chat(self, messages: Sequence[dict[str, Any]]) -> str:
        """A conversation as the text that the model was trained on.

        Raises:
            DataError: the folder has no template for that, or it refuses these messages.
        """
        if not self._own.chat_template:
            raise DataError(
                "The data are conversations, and the tokenizer has no chat template", file=self._config.folder,
                do="Give lines with \"text\", or add chat_template.jinja.",
            )  # fmt: skip
        try:
            return str(self._own.apply_chat_template(list(messages), tokenize=False))
        except Exception as error:  # noqa: BLE001 - templates are programs of their own, and run in a sandbox
            raise DataError(
                f"The chat template refuses the messages: {first_line(error)}", file=self._config.folder,
                do="Roles are mostly system first, then user and assistant in turn.",
            ) from None  # fmt: skip
