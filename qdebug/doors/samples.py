"""The sample models that come with qdebug."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from qdebug.errors import FileError, UsageError, near
from qdebug.results import SampleCard, SamplerCard

if TYPE_CHECKING:
    from torch import nn

SAMPLE_NAMES = ("digits-ddpm", "digits-longtail", "digits-mobilenet", "digits-resnet", "digits-vit", "pydoc-gpt")


@dataclass(frozen=True)
class Sample:
    """A loaded sample: its card, its module with weights, its evaluation, calibration and training arrays."""

    card: SampleCard
    module: nn.Module
    data: Mapping[str, np.ndarray]
    calib: Mapping[str, np.ndarray]
    train: Mapping[str, np.ndarray] | None = None


@cache
def root() -> Path:
    """The folder of the samples: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parents[1]
    for place in (package.parent / "sample_models", package / "_bundle" / "sample_models"):
        if (place / "digits_mobilenet").is_dir():
            return place
    raise FileError("The sample models are not installed", file=package, do="Install qdebug again.")


def cards() -> tuple[SampleCard, ...]:
    """Every sample's card."""
    return tuple(_card(name) for name in SAMPLE_NAMES)


def load_sample(name: str) -> Sample:
    """A sample by name.

    Raises:
        UsageError: there is no such sample; the message lists near names.
    """
    from safetensors.torch import load_file

    from qdebug.doors.npz import read_npz

    if name not in SAMPLE_NAMES:
        raise UsageError(f"There is no sample '{name}'", do=near(name, SAMPLE_NAMES))
    folder = _folder(name)
    module = _architecture(folder)
    module.load_state_dict(load_file(folder / "weights.safetensors"))
    data, calib = read_npz(folder / "data.npz"), read_npz(folder / "calib.npz")
    train = folder / "train.npz"
    return Sample(_card(name), module.eval(), data, calib, read_npz(train) if train.exists() else None)


def _folder(name: str) -> Path:
    return root() / name.replace("-", "_")


def _card(name: str) -> SampleCard:
    plain: dict[str, Any] = yaml.safe_load((_folder(name) / "card.yaml").read_text("utf-8"))
    return SampleCard(
        name=name, title=plain["title"], task=plain["task"], story=_one_line(plain["story"]),
        planted=_one_line(str(plain["planted"])), source=_one_line(str(plain["source"])),
        metric=plain["metric"]["name"], float_metric=float(plain["metric"]["float"]), params=int(plain["params"]),
        preset=str(plain["numbers"][0]["recipe"]), sampler=_sampler(plain.get("sampler")),
    )  # fmt: skip


def _sampler(plain: dict[str, Any] | None) -> SamplerCard | None:
    if plain is None:
        return None
    first, last = plain["betas"]
    return SamplerCard(
        image=plain["image"], timestep=plain["timestep"], steps=plain["steps"], first_beta=first, last_beta=last
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _architecture(folder: Path) -> nn.Module:
    spec = importlib.util.spec_from_file_location(f"qdebug_sample_{folder.name}", folder / "model.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    built: nn.Module = module.build()
    return built
