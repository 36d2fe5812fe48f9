"""The sample models without the faults that their makers planted, and copies of them with other tensors or data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

import qdebug
from qdebug.doors import Dataset, join_data, load_sample
from qdebug.engine import Engine, ValueCache
from qdebug.session import Session
from sample_models.digits_mobilenet import train as mobilenet
from sample_models.digits_vit import train as vit
from sample_models.planting import plant, plant_offset, scale_inputs, scale_outputs
from sample_models.pydoc_gpt import train as gpt

MODELS = ("digits-mobilenet", "digits-resnet", "digits-vit", "pydoc-gpt")
_SAMPLES = {"pydoc-gpt": (16, 16)}
_CACHE = 2**28


@cache
def sound(model: str) -> Session:
    """A sample as it was before its fault was planted, on a part of its data."""
    sample = load_sample(model)
    _mend(model, sample.module)
    n_eval, n_calib = _SAMPLES.get(model, (128, 128))
    data = {key: value[:n_eval] for key, value in sample.data.items()}
    calib = {key: value[:n_calib] for key, value in sample.calib.items() if key not in ("labels", "group")}
    return qdebug.open(sample.module, data, calib, cache=ValueCache(_CACHE))


def changed(session: Session, tensors: Mapping[int, Tensor], calib: Dataset | None = None) -> Session:
    """The session's model with some tensors replaced, by step, and maybe other calibration data."""
    old = session.subject
    moved = {index: tensors[index].to(value.dtype) if index in tensors else value for index, value in _state(session)}
    program = replace(old.program, state=moved)
    info = msgspec.structs.replace(old.info, digest=program.digest)
    engine = Engine(program, old.layers, ValueCache(_CACHE))
    subject = replace(old, program=program, engine=engine, info=info, calib=calib or old.calib)
    return Session(subject)


def scaled_calibration(session: Session, factor: float, samples: slice = slice(None)) -> Dataset | None:
    """The calibration data with some samples multiplied; None where they are no real numbers."""
    arrays = {name: value.numpy().copy() for name, value in session.subject.calib.inputs.items()}
    if any(not np.issubdtype(value.dtype, np.floating) for value in arrays.values()):
        return None
    for value in arrays.values():
        value[samples] *= factor
    return join_data(arrays, session.info().inputs, "planted")


def _state(session: Session) -> list[tuple[int, Tensor]]:
    return list(session.subject.program.state.items())


@torch.no_grad()
def _mend(model: str, module: nn.Module) -> None:
    """Undo what a sample's training script planted."""
    if model == "digits-mobilenet":
        for name, (factor, channels) in mobilenet.PLANTED.items():
            reader = name.replace(".dw", ".project")
            plant([module.get_submodule(name)], [module.get_submodule(reader)], channels, 1 / factor)
        _, first, second, third = module.blocks
        factor, channels = mobilenet.PLANTED_STREAM
        plant([first.project, second.project], [second.expand, third.expand], channels, 1 / factor)
    elif model == "digits-vit":
        for (index, norm_name, reader_name), channels in vit.PLANTED.items():
            norm, reader = (module.blocks[index].get_submodule(name) for name in (norm_name, reader_name))
            plant([norm], [reader], channels, 1 / vit.FACTOR)
            for channel, offset in zip(channels, vit.OFFSETS, strict=True):
                plant_offset(norm, reader, [channel], -offset)
    elif model == "pydoc-gpt":
        for (index, norm, reader), first in gpt.PLANTED.items():
            channels = slice(first, first + gpt.GROUP)
            scale_outputs(module.blocks[index].get_submodule(norm), channels, gpt.FACTOR)
            scale_inputs(module.blocks[index].get_submodule(reader), channels, 1 / gpt.FACTOR)
