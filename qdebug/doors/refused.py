"""Why ``torch.export`` cannot capture a module, in the words of whoever wrote it: line, construct, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function

from qdebug.doors.asked import asked_for
from qdebug.doors.culprit import Place, place_of
from qdebug.errors import ModelError


class Reason(NamedTuple):
    """What the module does that cannot be captured, and what to do instead."""

    what: str
    do: str


_NUMPY = Reason(
    "it hands a tensor to NumPy", "Use torch's function of that name, or keep what NumPy computes as a buffer."
)
_PRINTS = Reason(
    "it writes the values of a tensor as text", "Take the print out, or put a forward hook where you want to look."
)
_POINTER = Reason(
    "it reads a tensor's memory, as code outside torch does",
    "Make that code an operator with torch.library.custom_op and register_fake.",
)
_RETURNS = Reason("it returns something that is no tensor", "Return tensors, or tuples and dictionaries of them.")
_CACHE = Reason(
    "it returns the cache that text is generated with",
    "Turn the cache off: model.config.use_cache = False in models of Hugging Face.",
)
_GRADIENT = Reason(
    "it computes gradients, or keeps tensors between calls, while it runs",
    "Leave that to the training: forward has to compute its answer alone.",
)
_OPERATOR = Reason(
    "it calls an operator that torch cannot trace",
    "Give the operator a shape function (torch.library.custom_op and register_fake), or write it with torch's own.",
)
_SCRIPTED = Reason(
    "it is, or has in it, a TorchScript module, which is no Python any more",
    "Give the module that it was scripted or traced from.",
)
_QUANTIZED = Reason(
    "it was quantized by torch.ao already, and its weights are packed", "Give the float module: qdebug quantizes it."
)
_PACKED = Reason(
    "it runs a recurrent layer on a packed sequence, whose shape depends on the values of a tensor",
    "Give the layer the padded sequence, and pick the last step of each sample with gather.",
)
_OWN_FUNCTION = "in an autograd function of its own"


def refusal(error: Exception, module: nn.Module, inputs: Mapping[str, Tensor]) -> ModelError:
    """One clear error for a module that could not be captured.

    Args:
        error: what ``torch.export`` raised.
        module: the module.
        inputs: what it was captured on, by the name of forward's parameters.
    """
    own = fails(module, inputs)
    if own is not None:
        return own
    place = place_of(error, module)
    reason = _reason(error, module, place)
    name = type(module).__name__
    if place is None:
        return ModelError(f"torch.export cannot capture {name}: {reason.what}", do=reason.do)
    return ModelError(
        f"torch.export cannot capture {name}: {reason.what}", do=reason.do, file=place.at, line=place.text or None,
        module=place.module,
    )  # fmt: skip


def fails(module: nn.Module, inputs: Mapping[str, Tensor]) -> ModelError | None:
    """The error of a module that cannot even run on its inputs; None for one that can."""
    try:
        run(module, inputs)
    except Exception as error:  # noqa: BLE001 - somebody's forward raises anything
        place = place_of(error, module)
        shapes = ", ".join(f"{name} {list(tensor.shape)} {_dtype(tensor)}" for name, tensor in inputs.items())
        where = {} if place is None else {"file": place.at, "line": place.text or None, "module": place.module}
        failed = ModelError(
            f"{type(module).__name__} itself fails on its inputs: {first_line(error)}", inputs=shapes, **where,
            do="Check their names, shapes and dtypes: module(**inputs) has to run.",
        )  # fmt: skip
        failed.__cause__ = error
        return failed
    return None


def run(module: nn.Module, inputs: Mapping[str, Tensor]) -> object:
    """What a module answers. Its buffers and its inputs keep their values whatever it does to them."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.no_grad():
        given = {name: tensor.clone() for name, tensor in inputs.items()}
        return torch.func.functional_call(module, buffers, (), given)


def first_line(error: BaseException) -> str:
    """An exception's first line that says something, without the full stop; its type where there is none."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line.rstrip(".") for line in lines if line), type(error).__name__)


def _reason(error: Exception, module: nn.Module, place: Place | None) -> Reason:
    text = str(error)
    if any(isinstance(one, torch.jit.ScriptModule) for one in module.modules()):
        return _SCRIPTED
    if any(type(one).__module__.startswith("torch.ao.nn.quantized") for one in module.modules()):
        return _QUANTIZED
    if place is not None and any(_is_packed(value) for value in place.frame.f_locals.values()):
        return _PACKED
    found = next((reason for words, reason in _BY_TEXT if words in text), None)
    if found is None and (_depends_on_values(error)):
        found = Reason(*asked_for(place.around if place else (), text))
    if found is None:
        return Reason(
            f"torch says: {first_line(error)}",
            "Write that line with operators that torch.export takes, or export the model to ONNX and open that.",
        )
    return Reason(f"{found.what}, {_OWN_FUNCTION}", found.do) if place and _in_own_function(place) else found


#: Parts of what torch 2.9 to 2.13 say, looked for in this order.
_BY_TEXT = (
    (".numpy() is not supported", _NUMPY),
    ("numpy() on a tensor", _NUMPY),
    ("FakeTensor.__format__", _PRINTS),
    ("Cannot access data pointer", _POINTER),
    ("Cache'> in output", _CACHE),
    ("not a known type", _RETURNS),
    ("fake tensor in the exported program constant", _GRADIENT),
    ("does not require grad and does not have a grad_fn", _GRADIENT),
    ("no fake impl", _OPERATOR),
    ("There was no fake impl registered", _OPERATOR),
    ("Exporting a ScriptModule", _SCRIPTED),
)


def _depends_on_values(error: Exception) -> bool:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return "data-dependent" in str(error) or bool(
        kinds & {"GuardOnDataDependentSymNode", "DataDependentOutputException", "DynamicOutputShapeException"}
    )


def _is_packed(value: object) -> bool:
    return isinstance(value, nn.utils.rnn.PackedSequence)


def _in_own_function(place: Place) -> bool:
    """Whether the line is in the forward of a ``torch.autograd.Function``."""
    context = next(iter(place.frame.f_locals.values()), None)
    return isinstance(context, Function) or type(context).__name__.endswith("Backward")


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
