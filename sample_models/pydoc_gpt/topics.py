"""Python's own help texts (pydoc_data.topics, PSF licence) as byte sequences, split by topic."""

import hashlib
import warnings
from pydoc_data.topics import topics

import numpy as np
import torch

EVAL_SEQUENCES = 96
CALIB_SEQUENCES = 256
EVAL_BYTES = 40_000  # held out, in whole topics
SPLIT_SEED = 20240229
# Of the text that the committed weights were trained on (CPython 3.11.7)
TEXT_SHA256 = "ffc3f75907d833e7d96d2d40819e09043316d661d158f966dd501581648f9071"


def load_topics() -> tuple[np.ndarray, np.ndarray]:
    """(training bytes, held-out bytes), uint8 [L]: whole topics, disjoint, always the same for one Python.

    Other Python versions carry other texts: then a warning, and other weights than the committed ones.
    """
    texts = [f"{name}\n\n{topics[name].strip()}\n\n\n".encode() for name in sorted(topics)]
    if hashlib.sha256(b"".join(texts)).hexdigest() != TEXT_SHA256:
        warnings.warn("this Python's help texts differ from those of the committed weights", stacklevel=2)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(texts))
    held_out, training, length = [], [], 0
    for text in (texts[i] for i in order):
        # A topic longer than the whole quota would leave the held-out set with one subject only.
        take = length < EVAL_BYTES and len(text) < EVAL_BYTES // 4
        (held_out if take else training).append(text)
        length += len(text) if take else 0
    return _as_array(training), _as_array(held_out)


def training_windows(text: np.ndarray, context: int, stride: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(tokens, labels) int64 [N, context]: every window that starts at a multiple of `stride` bytes."""
    windows = torch.from_numpy(text.astype(np.int64)).unfold(0, context + 1, stride)
    return windows[:, :-1], windows[:, 1:]


def spread_windows(text: np.ndarray, context: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, labels) int64 [count, context], starting at evenly spaced places in the text."""
    starts = np.linspace(0, len(text) - context - 1, count).astype(np.int64)
    windows = np.stack([text[s : s + context + 1] for s in starts]).astype(np.int64)
    return windows[:, :-1], windows[:, 1:]


def _as_array(texts: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(texts), dtype=np.uint8)
