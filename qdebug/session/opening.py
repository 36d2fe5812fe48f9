"""From a name, a path or a module to a session."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from qdebug.doors import SAMPLE_NAMES, Dataset, Sample, join_data, load_sample
from qdebug.doors.axes import declared_alike, fixed_batch
from qdebug.doors.dataset import EXTRA, TARGET
from qdebug.engine import Engine, ValueCache, Work
from qdebug.engine.apart import apart
from qdebug.errors import DataError, ModelError, UsageError
from qdebug.graph import Layer, channels_last
from qdebug.graph.calls import call
from qdebug.graph.layers import find_layers
from qdebug.graph.trace import Trace, trace
from qdebug.machine import memory_limit
from qdebug.measure import OwnMetric, meter
from qdebug.measure.meter import LABELLED
from qdebug.results import ModelInfo, ModelRef, SampleCard, TensorSpec
from qdebug.session.describe import describe
from qdebug.session.given import from_python
from qdebug.session.judging import Asked, own_metric
from qdebug.session.loading import Arrays, Loaded, Untrusted, from_checkpoint, from_module, from_npz, from_path, nobody
from qdebug.session.running import is_run_through, run_through
from qdebug.session.session import Session
from qdebug.session.subject import Subject, padded
from qdebug.session.tasks import judged_task, with_fitting_labels, with_targets

if TYPE_CHECKING:
    from qdebug.doors.huggingface import Checkpoint

CALIBRATION_SAMPLES = 256
_ITSELF, _LEAST = 2**30, 2**28
"""Bytes that libraries, captured graphs and results take, and that are shared out where hardly any are left."""
OWN = "the sample's own training data"
Reader = Callable[[str], tuple[Arrays, str]]
"""A path to arrays, and what they are called in messages."""


@once
def shared_cache() -> ValueCache:
    """The process's cache, shared by all sessions.

    Its budget is a quarter of the memory that the process may take beyond what it takes itself, or what the environment
    variable QDEBUG_CACHE_BYTES says.
    """
    return ValueCache(_bytes("QDEBUG_CACHE_BYTES"))


def resident() -> int:
    """Bytes up to which a folder's weights are held in memory, in float32; those that take more stay in their files.

    A quarter of the same memory, or what the environment variable QDEBUG_WEIGHT_BYTES says.
    """
    return _bytes("QDEBUG_WEIGHT_BYTES")


def _bytes(variable: str) -> int:
    own = os.environ.get(variable, "")
    return int(own) if own.isdigit() else max(memory_limit() - _ITSELF, _LEAST) // 4


def open_model(
    model: str | os.PathLike[str] | nn.Module,
    data: str | os.PathLike[str] | Arrays | None = None,
    calib: str | os.PathLike[str] | Arrays | None = None,
    *,
    train: str | os.PathLike[str] | Arrays | None = None,
    cache: ValueCache | None = None,
    work: Work | None = None,
    untrusted: Untrusted = nobody,
    inputs: object = None,
    samples: int | None = None,
    part: str | None = None,
    metric: Asked = None,
    window: int | None = None,
    tokens: int | None = None,
) -> Session:
    """Open a model with its data.

    Args:
        model: a sample's name; the path of an ``.onnx`` file, of a ``.pt2`` file of your own, or of a Hugging Face
            folder (``config.json`` with weights in safetensors); or a module.
        data: evaluation data: the path of an ``.npz``, for a folder that reads text also of a ``.jsonl`` or a text; or
            a mapping of arrays. Arrays are keyed by the model's inputs, plus optionally ``labels`` and ``group``.
            Samples bring their own.
        calib: calibration data likewise; without it a sample's own, or the first 256 samples of ``data``.
        train: data that fixes which train the network may train it on, likewise; without it a sample's own, or
            ``calib``. Never ``data``.
        cache: where values are remembered; the process's shared cache if not given.
        work: progress and cancel.
        untrusted: whether a file was given by a stranger; then it is parsed in a process of its own, with hard limits.
        inputs: example inputs of a module, on which it is captured; without ``data`` these are the data.
        samples: of a module's data, and of batches, how many are read at most.
        part: a submodule's path: it alone is opened, and fed what reaches it in the whole module.
        metric: what recipes are judged by: a name of :data:`qdebug.measure.meter.NAMES`, a function as
            :class:`~qdebug.measure.OwnMetric` calls it, or ``path/to/file.py:function``, which is run; by default what
            fits the data.
        window: tokens of a window that texts are cut into, of a folder that reads a stream of them; 512 if not given.
        tokens: how many of them are evaluated, or calibrated on, at most; 32,768 if not given.

    Data may be tensors, samples or batches too: :func:`qdebug.doors.batches.arrays_of` lists them. A Hugging Face
    folder takes none of these.

    Raises:
        QDebugError: the model cannot be opened, or the data do not fit it; a UsageError where either is of a type that
            nothing can be made of.
    """
    work = work or Work()
    asked = own_metric(metric)
    folder = _folder(model, work, untrusted, window, tokens)
    if (window, tokens) != (None, None) and not (folder and folder.cuts(data)):
        raise UsageError(
            "window and tokens are for texts that a language model reads",
            do="Leave them out, or give a .jsonl or a text.",
        )
    read = folder.read if folder else lambda path: from_npz(path, untrusted, work.check)
    if isinstance(model, nn.Module):
        given = from_python(
            model, inputs, data, calib, train, samples=samples, part=part, work=work,
            read=lambda given, what: _arrays(given, what, work, read),
        )  # fmt: skip
        found, words = given.data
        assert found is not None
        return _session(given.loaded, found, words, given.calib, given.train, None, given.name, cache, work, asked)
    for option, value in {"inputs": inputs, "part": part}.items():
        if value is not None:
            raise UsageError(f"{option} is for modules", do="Leave it out: a file says what its inputs are.")
    name = _path(model, "model", "a sample's name, a path or a module")
    runs = not folder and any(map(is_run_through, (data, calib, train)))
    if samples is not None and not runs:
        raise UsageError("samples is for modules, and for batches that are run through", do="Leave it out.")

    @once
    def opened() -> tuple[Loaded, Sample | None]:
        return _opened(name, work, untrusted)

    def found_in(given: object, what: str) -> tuple[Arrays | None, str]:
        if runs and is_run_through(given):  # what a batch holds is told by the model's inputs
            return run_through(given, what, opened()[0].inputs, Path(name).name, samples, work)
        return _arrays(given, what, work, read)

    arrays, source = found_in(data, "data")
    calibration = found_in(calib, "calibration data")
    training = found_in(train, "training data")
    if name in SAMPLE_NAMES:
        loaded, sample = opened()
        assert sample is not None
        own_calib = (sample.calib, OWN) if calib is None and arrays is None else calibration
        own_data = sample.data if arrays is None else arrays
        if train is None and sample.train is not None:
            training = (sample.train, OWN)
        return _session(loaded, own_data, source or name, own_calib, training, sample.card, name, cache, work, asked)
    if arrays is None and folder:
        raise DataError("This model comes without data", file=name, do="Give a .jsonl, a text or an .npz with --data.")
    if folder:
        work.step(0, 3, f"loading {Path(name).name}")
    loaded = from_checkpoint(folder, arrays, resident=resident()) if folder else opened()[0]
    if arrays is None:
        raise DataError("This model comes without data", file=name, do="Give an .npz with --data (data=... in Python).")
    return _session(loaded, arrays, source, calibration, training, None, Path(name).name, cache, work, asked)


def _opened(name: str, work: Work, untrusted: Untrusted) -> tuple[Loaded, Sample | None]:
    """A sample, or a file."""
    work.step(0, 3, f"loading {Path(name).name}")
    if name not in SAMPLE_NAMES:
        return apart(work, lambda: from_path(name, untrusted, work.check)), None
    sample = load_sample(name)
    work.step(1, 3, f"capturing {name}")
    return apart(work, lambda: from_module(sample.module, sample.data, "sample")), sample


def inspect_model(
    model: str | os.PathLike[str] | nn.Module, data: object = None, calib: object = None, *,
    work: Work | None = None, untrusted: Untrusted = nobody,
) -> ModelInfo:  # fmt: skip
    """What a model is made of. A file needs no data for that: it is run once on zeros of the shapes it declares.

    Arguments and errors are those of :func:`open_model`; without data, ``n_eval`` and ``n_calib`` are 0.
    """
    name = "" if isinstance(model, nn.Module) else _path(model, "model", "a sample's name, a path or a module")
    if not name or name in SAMPLE_NAMES or data is not None:
        return open_model(model, data, calib, work=work, untrusted=untrusted).info()  # type: ignore[arg-type]
    work = work or Work()
    work.step(0, 2, f"loading {Path(name).name}")
    folder = _folder(name, work, untrusted)
    loaded = from_checkpoint(folder, resident=resident()) if folder else from_path(name, untrusted, work.check)
    work.step(1, 2, "running it once")
    rows = loaded.program.batch or 2
    traced, layers = _seen(loaded, blank(loaded, rows), rows, Path(name).name, partial=True)
    if folder:
        loaded = replace(loaded, inputs=folder.of_any_length(loaded.inputs))
    return describe(Path(name).name, None, loaded, layers, traced, None, None, "", "unlabelled")


def open_ref(ref: ModelRef, work: Work | None = None, untrusted: Untrusted = nobody) -> Session:
    """Open what a reference names, on the process's shared cache. Arguments as for :func:`open_model`."""
    return open_model(
        ref.model, ref.data, ref.calib, train=ref.train, work=work, untrusted=untrusted, metric=ref.metric,
        window=ref.window, tokens=ref.tokens,
    )  # fmt: skip


def _folder(
    model: object, work: Work, untrusted: Untrusted, window: int | None = None, tokens: int | None = None
) -> Checkpoint | None:
    """A Hugging Face folder; None for anything else."""
    if isinstance(model, (str, os.PathLike)) and str(model) not in SAMPLE_NAMES and not untrusted(Path(model)):
        from qdebug.doors.huggingface import Cut, fetch, is_folder, is_name, open_checkpoint

        if is_name(str(model)):
            work.step(0, 3, f"fetching {model}")
            model = fetch(str(model))
        if is_folder(model):
            work.step(0, 3, "reading config.json")
            return open_checkpoint(model, Cut(window, tokens))
    return None


def _arrays(given: object, what: str, work: Work, read: Reader) -> tuple[Arrays | None, str]:
    if given is None:
        return None, ""
    if isinstance(given, Mapping):
        return given, f"the {what} given"
    path = _path(given, what, "the path of an .npz file, or arrays by the names of the model's inputs")
    work.step(0, 3, f"reading {Path(path).name}")
    return read(path)


def _path(given: object, what: str, wanted: str) -> str:
    """A path as text."""
    if isinstance(given, (str, os.PathLike)):
        return os.fspath(given)
    said = "None" if given is None else f"of the type {type(given).__name__}"
    raise UsageError(f"The {what} cannot be {said}", do=f"Give {wanted}.")


def _session(
    loaded: Loaded, arrays: Arrays, source: str, calib: tuple[Arrays | None, str], train: tuple[Arrays | None, str],
    card: SampleCard | None, name: str, cache: ValueCache | None, work: Work,
    asked: str | OwnMetric | None = None,
) -> Session:  # fmt: skip
    data = join_data(arrays, loaded.inputs, source)
    calibration, words = _calibration(calib, data, loaded.inputs)
    training = None if calib[0] is None else calibration
    if train[0] is not None:
        training = _same_once(join_data(train[0], loaded.inputs, train[1]), data)
    loaded = _batched(loaded, data)
    program = loaded.program
    work.step(2, 3, "running it once")
    size = program.batch or min(len(data), 2)
    if program.batch:
        _check_declared(loaded, size)
    traced, layers = _seen(loaded, padded(data.rows(0, size), data.alike, size), size, name)
    output = traced.shapes[program.output]
    data = with_targets(data, output)
    task = judged_task(data, output, asked, says_embeddings=loaded.says_embeddings)
    judged = meter(asked, task, output, len(data), has_labels=data.labels is not None)
    if training is not None and task in LABELLED:
        training = with_fitting_labels(training, data, task, output)
    info = describe(name, card, loaded, layers, traced, data, calibration, words, task)
    program = channels_last(program, layers)
    engine = Engine(program, layers, cache or shared_cache())
    return Session(
        Subject(
            program, layers, traced.shapes, traced.samples, traced.floating, data, calibration, task, judged, engine,
            info, loaded.recipe, loaded.origin, loaded.is_strange, training, loaded.folder,
        )
    )  # fmt: skip


def _batched(loaded: Loaded, data: Dataset) -> Loaded:
    """A model that takes batches of the size that it declares for the inputs that these data have samples of."""
    if not declared_alike(loaded.inputs) - data.alike:
        return loaded
    return replace(loaded, program=replace(loaded.program, batch=fixed_batch(loaded.inputs, data.alike)))


def blank(loaded: Loaded, rows: int) -> dict[str, Tensor]:
    """Zeros in the shapes that a model declares; where a size may vary, so many.

    Raises:
        ModelError: they would take more than a quarter of the memory that there is.
    """
    _check_declared(loaded, rows)
    return {
        spec.name: torch.zeros([size or rows for size in spec.shape], dtype=getattr(torch, spec.dtype))
        for spec in loaded.inputs
    }


def _check_declared(loaded: Loaded, rows: int) -> None:
    """Refuse inputs that are declared with more values than any machine like this one holds."""
    for spec in loaded.inputs:
        size = math.prod(size or rows for size in spec.shape) * getattr(torch, spec.dtype).itemsize
        if size > memory_limit() // 4:
            raise ModelError(
                f"The input '{spec.name}' is declared with {size / 2**30:,.0f} GiB for {rows:,} samples",
                shape=list(spec.shape), do="The file is damaged, or made to do harm: write it again.",
            )  # fmt: skip


def _seen(
    loaded: Loaded, first: Mapping[str, Tensor], samples: int, name: str, *, partial: bool = False
) -> tuple[Trace, tuple[Layer, ...]]:
    """The program run once on a few samples, and its layers."""
    program = loaded.program
    traced = trace(program, first, call, samples, partial=partial)
    constants = {index: tuple(tensor.shape) for index, tensor in program.state.items()}
    layers = find_layers(program, {**constants, **{i: s for i, s in traced.shapes.items() if program.constant[i]}})
    if not layers:
        raise ModelError(
            "The model has no layer that can be quantized",
            file=name,
            do="It needs a convolution, a linear layer or an embedding.",
        )
    return traced, layers


def _is_plain(arrays: Arrays, key: str) -> bool:
    """Whether labels or groups of calibration data, which only name samples, are one for each of them."""
    values = np.asarray(arrays[key])
    rows = next((len(value) for name, value in arrays.items() if name not in EXTRA and np.ndim(value)), 0)
    return values.shape == (rows,) and (key == "group" or values.dtype.kind in "iu")


def _calibration(calib: tuple[Arrays | None, str], data: Dataset, specs: tuple[TensorSpec, ...]) -> tuple[Dataset, str]:
    arrays, source = calib
    if arrays is None:
        count = min(len(data), CALIBRATION_SAMPLES)
        few = "the one sample" if count == 1 else f"the first {count} samples"
        return data.first(count), f"{few} of the evaluation data (no calibration data were given)"
    names = {spec.name for spec in specs}
    kept = {
        key: value for key, value in arrays.items()
        if key in names or key not in (*EXTRA, TARGET) or (key != TARGET and _is_plain(arrays, key))
    }  # fmt: skip
    joined = _same_once(join_data(kept, specs, source), data)
    return joined, f"{len(joined)} samples from {source}"


def _same_once(other: Dataset, data: Dataset) -> Dataset:
    """Data beside the evaluation data, refused where an input is given once in one of them alone."""
    for name in data.alike ^ other.alike:
        raise DataError(
            f"'{name}' is given once for all samples in one of evaluation and other data, for each in the other",
            file=other.source, do="Give both alike.",
        )  # fmt: skip
    return other
