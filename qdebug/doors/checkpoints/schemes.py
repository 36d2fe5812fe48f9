"""The schemes of a compressed-tensors config: which module has which, and what they say of activations.

Source: compressed-tensors 0.20 (``quantization/quant_config.py``, ``quant_args.py``, ``utils/match.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qdebug.doors.checkpoints.config import entry, integer, one_of, two_sizes, words
from qdebug.doors.checkpoints.patterns import matches
from qdebug.errors import ModelError
from qdebug.formats import find
from qdebug.recipes import FLOAT, TensorPlan

STRATEGIES = ("tensor", "channel", "group", "block", "token", "tensor_group")


@dataclass(frozen=True)
class Arguments:
    """How one tensor is quantized (``QuantizationArgs``).

    Attributes:
        bits: of a code.
        is_float: whether codes are small floats.
        symmetric: whether there is no zero point.
        strategy: which values share a scale.
        group: values of a group; 0 where there is none.
        block: rows and columns of a tile.
        dynamic: whether scales are found at run time; ``local``: those of blocks are, and the tensor's is stored.
        power_scales: whether scales are powers of two stored as exponents.
    """

    bits: int
    is_float: bool
    symmetric: bool
    strategy: str
    group: int
    block: tuple[int, int] | None
    dynamic: bool | str
    power_scales: bool

    @property
    def format(self) -> str:
        """The name of the codes' format here.

        Raises:
            ModelError: there is none.
        """
        if not self.is_float:
            return f"int{self.bits}"
        if self.bits == 8:
            return "mxfp8_e4m3" if self.power_scales and self.group == 32 else "fp8_e4m3fn"
        if self.bits == 4 and self.strategy in ("group", "tensor_group"):
            return "nvfp4" if self.strategy == "tensor_group" or self.group == 16 else "mxfp4"
        raise ModelError(
            f"There is no reading of floats of {self.bits} bits by {self.strategy}",
            file="config.json",
            do="Open the float checkpoint and quantize it here.",
        )


def arguments(scheme: Mapping[str, Any], key: str) -> Arguments | None:
    """The arguments of one tensor of a scheme; None where it stays float.

    Raises:
        ModelError: they contradict themselves or are unknown.
    """
    said = entry(scheme, key)
    if not said:
        return None
    group = integer(said, "group_size", 0)
    guess = "group" if group > 0 else "channel" if group == -1 else "tensor"
    strategy = one_of(said, "strategy", STRATEGIES, guess)
    if strategy in ("group", "tensor_group") and group < 1:
        raise ModelError(
            f"quantization_config: {key} has groups and no group_size",
            file="config.json",
            do="Write the checkpoint anew with the tool that made it.",
        )
    kind = one_of(said, "type", ("int", "float"), "int")
    dynamic = said.get("dynamic", False)
    return Arguments(
        bits=integer(said, "num_bits", 8, among=range(2, 9)), is_float=kind == "float",
        symmetric=bool(said.get("symmetric", True)), strategy=strategy, group=max(group, 0),
        block=_block(said.get("block_structure"), strategy),
        dynamic=dynamic if dynamic == "local" else bool(dynamic),
        power_scales="uint8" in str(said.get("scale_dtype")),
    )  # fmt: skip


def _block(said: Any, strategy: str) -> tuple[int, int] | None:
    if strategy != "block":
        return None
    found = two_sizes([int(one) for one in said.split("x") if one.isdecimal()] if isinstance(said, str) else said)
    if found is None:
        raise ModelError(
            f"quantization_config: 'block_structure' is {said!r}, no two sizes",
            file="config.json",
            do="Write the checkpoint anew with the tool that made it.",
        )
    return found


def scheme_of(module: str, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The scheme that a module has; None where it is ignored or none is about it.

    By its name, else by a pattern (``re:``), else by a class, whose members are not known here and which therefore
    takes every module.

    Raises:
        ModelError: the config is malformed.
    """
    if any(named(module, one) for one in words(config, "ignore")):
        return None
    best, found = 3, None
    for name, scheme in entry(config, "config_groups").items():
        if not isinstance(scheme, Mapping):
            raise ModelError(
                f"quantization_config: group '{name}' names a preset", file="config.json",
                do="Write the scheme out: weights, input_activations and targets.",
            )  # fmt: skip
        for target in words(scheme, "targets"):
            rank = (1 if target.startswith("re:") else 0) if named(module, target) else 2 if _is_class(target) else 3
            if rank < best:
                best, found = rank, scheme
    return found


def named(module: str, target: str) -> bool:
    """Whether a target is a module's own name, or a pattern (``re:``) that fits the beginning of its name.

    Raises:
        ModelError: the pattern is none, or could take too long.
    """
    return matches(target[3:], module) if target.startswith("re:") else module == target


def _is_class(target: str) -> bool:
    return not target.startswith("re:") and "." not in target and target[:1].isupper()


def activation(said: Arguments | None) -> tuple[TensorPlan, tuple[str, ...]]:
    """The plan of a layer's input, and what it leaves out. Static ones have the range ``stored``.

    Raises:
        ModelError: there is no such format here.
    """
    if said is None:
        return FLOAT, ()
    name = said.format
    if find(name).own_blocks:
        left = ("The input's scale for the whole tensor is fixed in the checkpoint; here it is that of each sample.",)
        return TensorPlan(name), left if name == "nvfp4" and said.dynamic is not True else ()
    if not said.dynamic:
        if said.strategy != "tensor":
            raise ModelError(
                f"There is no reading of fixed input scales by {said.strategy}",
                file="config.json",
                do="Open the float checkpoint and quantize it here.",
            )
        return TensorPlan(name, symmetric=said.symmetric, range="stored"), ()
    if said.strategy == "tensor":
        return TensorPlan(name, symmetric=said.symmetric, dynamic=True), ()
    left = ()
    if said.strategy == "group":
        left = (f"The input has a scale for each {said.group} features of a token; here it has one for a token.",)
    return TensorPlan(name, "token", dynamic=True, symmetric=said.symmetric), left
