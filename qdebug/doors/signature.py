"""What a module's forward takes, and which of it the parts of a batch are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from qdebug.errors import DataError

#: What data call the labels, where forward has no parameter of that name.
_LABELS = ("labels", "label", "target")


@dataclass(frozen=True)
class Signature:
    """A forward's parameters that data can fill.

    Attributes:
        module: the class's name.
        positional: those that may be given in order.
        required: how many of them have no default.
        keyword: those that can be given by name only.
        is_open: whether forward takes any keywords.
        is_file: whether this is no module but the file of that name.
    """

    module: str
    positional: tuple[str, ...]
    required: int
    keyword: tuple[str, ...]
    is_open: bool
    is_file: bool = False

    @property
    def called(self) -> str:
        """What takes them, for messages."""
        return self.module if self.is_file else f"forward of {self.module}"

    @property
    def words(self) -> str:
        """The parameters for messages."""
        return ", ".join((*self.positional[:8], *self.keyword[:4])) or "nothing"


def signature_of(module: nn.Module) -> Signature:
    """What a module's forward takes.

    Raises:
        DataError: it takes parameters without names only.
    """
    kind = inspect.Parameter
    parameters = inspect.signature(module.forward).parameters.values()
    positional = [p for p in parameters if p.kind in (kind.POSITIONAL_ONLY, kind.POSITIONAL_OR_KEYWORD)]
    keyword = [p.name for p in parameters if p.kind is kind.KEYWORD_ONLY]
    is_open = any(p.kind is kind.VAR_KEYWORD for p in parameters)
    if any(p.kind is kind.POSITIONAL_ONLY for p in positional) or not (positional or keyword or is_open):
        raise DataError(
            f"forward of {type(module).__name__} takes parameters without names",
            do="Wrap the module in one whose forward names each of its inputs.",
        )
    required = sum(p.default is kind.empty for p in positional)
    return Signature(type(module).__name__, tuple(p.name for p in positional), required, tuple(keyword), is_open)


def named(parts: Sequence[object], signature: Signature, what: str, *, has_labels: bool) -> dict[str, object]:
    """The parts of a batch by forward's parameters, in order.

    Where labels may be among them, one part more than forward requires is labels. So ``(x, y)`` for
    ``forward(x, mask=None)`` are an input and labels: give a mask by its name.

    Args:
        parts: tensors or arrays.
        signature: what forward takes.
        what: what they are called in messages.
        has_labels: whether the last may be labels.

    Raises:
        DataError: there are too few or too many, or what they are cannot be told.
    """
    names, required = signature.positional, max(signature.required, 1)
    count = len(parts)
    if has_labels and count in (required + 1, len(names) + 1) and count > 1:
        return {**dict(zip(names, parts[:-1], strict=False)), "labels": parts[-1]}
    if required <= count <= (required if has_labels else len(names)):
        return dict(zip(names, parts, strict=False))
    most = f" and {required + 1} with labels" if has_labels else ""
    raise DataError(
        f"{what} has {count} parts, {signature.called} takes {signature.words}",
        do=f"Give {required}{most}, or a mapping by these names and 'labels'.",
    )


def by_name(parts: Mapping[str, object], signature: Signature) -> dict[str, object]:
    """A mapping with its labels under ``labels``, whatever data sets call them.

    Raises:
        DataError: it has them under two names.
    """
    found = {str(key): value for key, value in parts.items()}
    own = {*signature.positional, *signature.keyword}
    given = [name for name in _LABELS if name in found and (name == "labels" or name not in own)]
    if len(given) > 1 and "target" in given:
        raise DataError(f"The data have both '{given[0]}' and 'target'", do="Give one: outputs are judged by it.")
    if given and given[0] != "labels":
        found["labels"] = found.pop(given[0])
    return found
