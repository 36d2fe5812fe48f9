"""Networks of one shape are captured once in a test process: torch's exporter took half of many tests' time.

What torch captures is a graph. It depends on a module's classes, its plain attributes and the shapes of its tensors,
not on the numbers in its weights: a module with the same of all these gets the same graph, with its own weights in it.
Where anything else is found in a module (a hook, a closure, an object of another kind), it is captured anew; so are
modules that tests of the exporter itself hand to ``qdebug.doors.capture``.
"""

import copy
import json
from types import BuiltinFunctionType, FunctionType

import torch

from qdebug.doors.module import at_rest
from qdebug.session import loading

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size, range)
_ELSEWHERE = {"_parameters", "_buffers", "_modules", "_flat_weights", "_flat_weight_refs"}
"""What a module keeps its tensors and its modules in; cells keep theirs twice."""
_OF_FILES = {"name_or_path", "_weight_conversions"}
"""What transformers keep of the files that they were read from."""
_MOST = 60
"""How many graphs are kept."""


class _OfAnotherKindError(Exception):
    """What two modules can differ in without being seen to."""


def captured_once():
    """From now on, if it has not been so before."""
    if not isinstance(loading.capture, _Captures):
        loading.capture = _Captures(loading.capture)


class _Captures:
    """In place of ``capture``."""

    def __init__(self, capture):
        self._capture, self._known = capture, {}

    def __call__(self, module, inputs, *, checked=True):
        module = at_rest(module)
        try:
            key = (_of_module(module), _of_tensors(inputs.items()), checked)
        except _OfAnotherKindError:
            return self._capture(module, inputs, checked=checked)
        state = {name: tensor for kind in (module.named_parameters, module.named_buffers)
                 for name, tensor in kind(remove_duplicate=False)}  # fmt: skip
        if (known := self._known.pop(key, None)) is None:
            exported, batch = self._capture(module, inputs, checked=checked)
            if any(state.get(name) is not tensor for name, tensor in exported.state_dict.items()):
                return exported, batch
            known = _with_state(exported, dict.fromkeys(exported.state_dict)), batch
        self._known[key] = known
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        graph, batch = known
        return _with_state(graph, {name: state[name] for name in graph._state_dict}), batch


def _with_state(exported, state):
    found = copy.copy(exported)
    found._state_dict = state
    return found


def _of_module(module):
    """All that a capture depends on, as a key."""
    return tuple((name, _of_one(one)) for name, one in module.named_modules(remove_duplicate=False)), _shared(module)


def _of_one(module):
    kind = type(module)
    values = {name: value for name, value in vars(module).items() if name not in _ELSEWHERE | _OF_FILES}
    if any(values.pop(name) for name in list(values) if "hook" in name):
        raise _OfAnotherKindError
    own = (*module._parameters.items(), *module._buffers.items())
    # Buffers that are not stored become constants of the graph: their numbers count.
    fixed = [(name, module._buffers[name]) for name in sorted(module._non_persistent_buffers_set)]
    return _of_class(kind), _of(values), _of_tensors(own), _of([one for _, one in fixed])


def _of_class(kind):
    """Libraries' classes are themselves, ours are what they do: a sample's class is made anew whenever it is loaded."""
    if kind.__module__.startswith(("torch.", "transformers.")):
        return kind, kind.forward
    own = [one for one in kind.mro() if not one.__module__.startswith(("torch.", "transformers.", "builtins"))]
    does = [[_of(value) for value in vars(one).values() if isinstance(value, FunctionType)] for one in own]
    return tuple((one.__module__, one.__qualname__, *done) for one, done in zip(own, does, strict=True))


def _shared(module):
    """Which tensors are one and the same."""
    first = {}
    return tuple(first.setdefault(id(one), len(first)) for one in module.state_dict(keep_vars=True).values())


def _of_tensors(named):
    return tuple(
        (name, type(one), tuple(one.shape), tuple(one.stride()), one.dtype, one.device, one.requires_grad)
        if one is not None else (name, None)
        for name, one in named
    )  # fmt: skip


def _of(value):
    if isinstance(value, _PLAIN):
        return type(value), repr(value) if isinstance(value, float) else value
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_of, value))
    if isinstance(value, set | frozenset):
        return type(value), frozenset(map(_of, value))
    if isinstance(value, dict):
        return type(value), tuple((_of(key), _of(one)) for key, one in value.items())
    if isinstance(value, torch.Tensor) and value.device.type == "cpu" and type(value) is torch.Tensor:
        return (
            value.dtype,
            tuple(value.shape),
            tuple(value.stride()),
            bytes(value.detach().reshape(-1).view(torch.uint8)),
        )
    if isinstance(value, FunctionType) and all(isinstance(one.cell_contents, type) for one in value.__closure__ or ()):
        return value.__module__, value.__code__
    if isinstance(value, torch.nn.Module):
        return _of_module(value)
    if isinstance(value, type | BuiltinFunctionType):
        return value
    if type(value).__module__.startswith("transformers.") and hasattr(value, "to_dict"):
        return type(value), json.dumps(value.to_dict() | {"_name_or_path": ""}, sort_keys=True, default=repr)
    raise _OfAnotherKindError
