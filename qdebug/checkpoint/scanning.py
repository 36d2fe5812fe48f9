"""A checkpoint looked through, tensor by tensor and piece by piece."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from qdebug.checkpoint.findings import findings
from qdebug.checkpoint.look import Tell, one_look
from qdebug.checkpoint.tried import Tried, height, tried
from qdebug.doors.stored import StoredTensor, are_whole, find_checkpoint
from qdebug.engine import Work
from qdebug.errors import written_out
from qdebug.results.scan import AddedError, Scan, ScannedTensor, StoredStats
from qdebug.targets import stored_bits

USUAL = ("int8-pc", "int4g128", "nf4", "mxfp4")
"""Formats that are tried where nobody names others."""


def scan(path: str | os.PathLike[str], formats: str | Sequence[str] = USUAL, *, work: Work | None = None) -> Scan:
    """Look through a checkpoint: what each tensor holds, and the error that formats would add to it.

    No model is run and no tensor loaded: values come in pieces of at most 2¹⁹ (or one row), each read once. Formats
    with one scale for a tensor, ``int8`` or ``nvfp4``, need its limits first: they read tensors of more than 16 bits a
    value, nvfp4 all, a second time.

    Errors are given for what is stored as real numbers and has at least two axes. Rows, which channels, groups and
    blocks lie along, are the first axis; all others are put in a row, as a layer's weight ``[out, in]`` and a
    convolution's ``[out, in, kH, kW]`` have it.

    Args:
        path: a ``.safetensors`` or ``.gguf`` file, an index of shards, or a folder with such files; see
            :func:`qdebug.doors.stored.find_checkpoint`.
        formats: notations such as ``int4g128``; several in one text with commas between. None for statistics alone.
        work: progress and cancel.

    Raises:
        FileError: a file is missing or damaged.
        RecipeError: a format does not exist, or needs a whole tensor at once.
    """
    start, work = time.perf_counter(), work or Work()
    asked = tried([one for one in formats.split(",") if one.strip()] if isinstance(formats, str) else formats)
    found = find_checkpoint(path)
    nbytes, done = sum(one.nbytes for one in found.tensors), 0

    def tell(more: int, name: str) -> None:
        nonlocal done
        done += more
        work.step(min(done, nbytes) // 10**6, nbytes // 10**6, f"reading {name}, MB")

    looked = []
    for tensor in found.tensors:
        work.check()
        looked.append(_look(tensor, asked, tell))
    scanned = tuple(one for one, _ in looked)
    weights = [one for one in found.tensors if one.kind is not None and one.kind.is_real]
    params = sum(one.count for one in weights)
    totals = _totals(asked, looked)
    return Scan(
        path=str(found.path), source=found.source, files=tuple(file.name for file in found.files), nbytes=nbytes,
        params=params, bits=8 * sum(one.nbytes for one in weights) / params if params else 0.0,
        formats=tuple(one.notation for one in asked), tensors=scanned, totals=totals, facts=found.facts,
        findings=(*findings(scanned, totals), *found.notes), seconds=time.perf_counter() - start,
    )  # fmt: skip


Sums = tuple[float, float]
"""A tensor's sum of squared values, and a format's sum of squared errors."""


def _look(tensor: StoredTensor, asked: Sequence[Tried], tell: Tell) -> tuple[ScannedTensor, dict[str, Sums]]:
    """One tensor, and the sums of each format that was tried."""
    kind, why = tensor.kind, ""
    stats: StoredStats | None = None
    added: tuple[AddedError, ...] = ()
    sums: dict[str, Sums] = {}
    if kind is None or not kind.is_read:
        why = f"values of {tensor.title} are not understood"
    else:
        is_weight = kind.is_real and len(tensor.shape) > 1 and tensor.count > 0
        if is_weight and not are_whole(tensor, height(asked)):
            why = f"rows of {tensor.matrix[1]:,} values are too long to try formats on"
        stats, noise = one_look(tensor, asked if is_weight and not why else (), tell)
        rms = stats.rms or 0.0
        signal = rms * rms * (stats.count - stats.nans - sum(stats.infinities))
        sums = {notation: (signal, value) for notation, value in noise.items()}
        added = tuple(one.added(noise[one.notation], signal, _bits(tensor, one)) for one in asked if sums)
    one = ScannedTensor(
        name=written_out(tensor.name), file=tensor.file.name, shape=tensor.shape, kind=tensor.title,
        nbytes=tensor.nbytes,
        bits=kind.bits if kind else None, stats=stats, added=added, why=why,
    )  # fmt: skip
    return one, sums


def _bits(tensor: StoredTensor, one: Tried) -> float:
    return stored_bits(*tensor.matrix, one.plan) / tensor.count


def _totals(asked: Sequence[Tried], looked: Sequence[tuple[ScannedTensor, dict[str, Sums]]]) -> tuple[AddedError, ...]:
    """Each format over all tensors that it was tried on."""
    totals = []
    for place, one in enumerate(asked):
        parts = [(tensor, sums[one.notation]) for tensor, sums in looked if one.notation in sums]
        count = sum(tensor.stats.count for tensor, _ in parts if tensor.stats)
        if count:
            bits = sum(tensor.added[place].bits * tensor.stats.count for tensor, _ in parts if tensor.stats) / count
            signal, noise = (sum(pair[side] for _, pair in parts) for side in (0, 1))
            totals.append(one.added(noise, signal, bits))
    return tuple(totals)
