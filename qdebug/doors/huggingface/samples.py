"""Texts to samples: windows of a stream of tokens for language models, padded texts for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qdebug.doors.datasets import is_table, open_table
from qdebug.doors.huggingface.config import Config
from qdebug.doors.huggingface.rows import read_rows
from qdebug.doors.huggingface.texts import Text, read_texts
from qdebug.doors.huggingface.tokenizer import Tokenizer
from qdebug.errors import DataError, UsageError

LENGTH = 512
"""Tokens of a window, as llama.cpp's perplexity has them; fewer where the model or the text has fewer."""
MOST_TOKENS = 2**15
"""Tokens that are evaluated at most: 64 windows of 512."""
MOST_TEXTS = 512
"""Texts that are evaluated at most, where each is a sample."""
LONGEST = 2**21
"""Characters of a text; longer ones are given in several."""
STREAMS = ("causal", "masked", "token-classes")
"""What reads windows of one stream."""
_FEW = 8
_IGNORED = -100
"""No target, as in torch's cross entropy."""
Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Cut:
    """How a stream of tokens is cut.

    Attributes:
        window: tokens of a window; None for :data:`LENGTH`, or fewer where the model or the text has fewer.
        tokens: how many are evaluated at most; None for :data:`MOST_TOKENS`.
    """

    window: int | None = None
    tokens: int | None = None

    def check(self) -> None:
        """Refuse what is no number of tokens.

        Raises:
            UsageError: a number is none from 1 on, or fewer tokens are asked for than a window has.
        """
        for name, value in (("window", self.window), ("tokens", self.tokens)):
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise UsageError(f"{name} is {value!r}", do="Give a number of tokens from 1.")
        if self.window is not None and self.tokens is not None and self.tokens < self.window:
            raise UsageError(
                f"{self.tokens} tokens are less than a window of {self.window}", do="Give as many as a window at least."
            )


def read_samples(
    config: Config, file: Path, check: Callable[[], None] = lambda: None, cut: Cut | None = None
) -> tuple[Arrays, str]:
    """Arrays by the names of the model's inputs, with ``labels`` and ``group`` where the file tells, and in words what.

    Language models (``causal``, ``masked``, ``token-classes``): the documents one after the other, an end-of-text token
    between them, cut into windows of equal length; what is left over at the end is not used. A causal model's labels
    are the tokens that follow. Others: a text a sample, filled up to the longest.

    Raises:
        FileError: the file or the folder's tokenizer cannot be read.
        DataError: a text is longer than the model reads, or does not fit it; there is too little text.
        UsageError: windows are asked for that the model does not read.
    """
    cut = cut or Cut()
    cut.check()
    texts, tokenizer = _texts(config, file, check), Tokenizer(config)
    if config.kind in STREAMS:
        return _windows(config, tokenizer, texts, file, cut)
    some = texts[:MOST_TEXTS]
    if sum(len(one.text) for one in some) > 16 * LONGEST:
        raise DataError(f"The texts have more than {16 * LONGEST:,} characters", file=file, do="Give shorter ones.")
    arrays = _padded(tokenizer, list(_encoded(tokenizer, some, file)), some, file)
    if config.kind == "seq2seq":
        arrays |= _answers(config, tokenizer, some, file)
    if config.kind == "text-classes" and any(one.label is not None for one in some):
        arrays["labels"] = np.array([_class(config, one, file) for one in some])
    if all(one.group is not None for one in some):
        arrays["group"] = np.array([one.group for one in some])
    left = f", the first {len(some)} of {len(texts)} texts" if len(some) < len(texts) else ""
    return arrays, f"{file.name}{left}"


def _texts(config: Config, file: Path, check: Callable[[], None]) -> list[Text]:
    """The texts of a file or of a table, of which no more rows are read than are used."""
    if not is_table(file):
        return read_texts(file)
    streams = config.kind in STREAMS
    return read_rows(open_table(file), None if streams else MOST_TEXTS, config.library.label2id or (), check)


def _encoded(tokenizer: Tokenizer, texts: Sequence[Text], file: Path) -> Iterator[list[int]]:
    """The tokens of each text. A tokenizer takes some hundred times a text's memory, so a few are given at a time."""
    plain: list[str] = []
    room = LONGEST
    for one in texts:
        text = tokenizer.chat(one.messages) if one.messages else one.text
        if len(text) > LONGEST:
            raise DataError(
                f"A text has {len(text):,} characters, {LONGEST:,} are the most", file=file, **one.at,
                do="Divide it into several.",
            )  # fmt: skip
        if len(text) > room:
            yield from tokenizer.encode(plain)
            plain, room = [], LONGEST
        plain.append(text)
        room -= len(text)
    yield from tokenizer.encode(plain)


def _windows(config: Config, tokenizer: Tokenizer, texts: Sequence[Text], file: Path, cut: Cut) -> tuple[Arrays, str]:
    if cut.window is not None and cut.window > tokenizer.positions:
        raise UsageError(
            f"A window of {cut.window} tokens is longer than the model reads, which is {tokenizer.positions}",
            file=config.folder, do=f"Give at most {tokenizer.positions}.",
        )  # fmt: skip
    end = [] if tokenizer.end is None else [tokenizer.end]
    parts = (np.array([*ids, *(end if ids[-1:] != end else ())], np.int64) for ids in _encoded(tokenizer, texts, file))
    stream = np.concatenate([np.zeros(0, np.int64), *parts])
    usable = len(stream) - 1  # the last token is a label only
    most = cut.tokens or MOST_TOKENS
    length = _length(cut, tokenizer.positions, min(usable, most))
    count = usable // length
    if count == 0:
        raise DataError(
            f"The text has {len(stream)} tokens, {length + 1} are the least", file=file, do="Give more text."
        )
    used = min(count, max(1, most // length))
    ids = stream[: used * length].reshape(used, length)
    found = {"input_ids": ids}
    if config.kind == "causal":
        found["labels"] = stream[1 : used * length + 1].reshape(used, length)
    else:
        found["attention_mask"] = np.ones_like(ids)
    part = f", the first {used} of {count} windows" if used < count else f", {used} windows"
    return found, f"{file.name}{part} of {length} tokens"


def _length(cut: Cut, positions: int, usable: int) -> int:
    """Tokens of a window: as asked for, or such that there are a few of them."""
    if cut.window is not None:
        return cut.window
    length = min(LENGTH, positions)
    while length > 16 and usable // length < _FEW:
        length //= 2
    return length


def _padded(
    tokenizer: Tokenizer, ids: list[list[int]], texts: Sequence[Text], file: Path, prefix: str = ""
) -> dict[str, NDArray[np.generic]]:
    length = max(map(len, ids))
    for one, tokens in zip(texts, ids, strict=True):
        if len(tokens) > tokenizer.positions:
            raise DataError(
                f"A text has {len(tokens)} tokens, and the model reads {tokenizer.positions} at most", file=file,
                **one.at, do="Shorten or divide it: to cut it off here would change what is measured.",
            )  # fmt: skip
    filled = np.full((len(ids), length), tokenizer.padding, np.int64)
    mask = np.zeros_like(filled)
    for row, tokens in enumerate(ids):
        filled[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return {f"{prefix}input_ids": filled, f"{prefix}attention_mask": mask}


def _answers(config: Config, tokenizer: Tokenizer, texts: Sequence[Text], file: Path) -> dict[str, NDArray[np.generic]]:
    """The decoder's inputs, one place to the right of the tokens it should say."""
    for one in texts:
        if one.target is None:
            raise DataError(
                "A text has no 'target', the answer that is scored", file=file, **one.at,
                do='Write {"text": "…", "target": "…"} in each line.',
            )  # fmt: skip
    ids = tokenizer.encode([str(one.target) for one in texts])
    both = _padded(tokenizer, ids, texts, file)
    answer, mask = both["input_ids"], both["attention_mask"]
    start = config.library.decoder_start_token_id
    first = np.full((len(answer), 1), tokenizer.padding if start is None else start, np.int64)
    return {
        "decoder_input_ids": np.concatenate([first, answer[:, :-1]], 1),
        "labels": np.where(mask == 1, answer, _IGNORED),
    }


def _class(config: Config, one: Text, file: Path) -> int:
    names: Mapping[str, int] = config.library.label2id or {}
    if isinstance(one.label, int):
        return one.label
    if one.label is None or one.label not in names:
        said = "no label" if one.label is None else f"the label '{one.label}'"
        raise DataError(
            f"A text has {said}", file=file, **one.at,
            do=f"The model's classes: {', '.join(list(names)[:12])}; or give their numbers.",
        )  # fmt: skip
    return int(names[one.label])
