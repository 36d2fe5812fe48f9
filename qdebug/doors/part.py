"""One part of a module by itself, fed with what reaches it when the whole module runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from qdebug.doors.batches import BYTES
from qdebug.doors.dataset import EXTRA
from qdebug.doors.refused import fails
from qdebug.errors import DataError, ModelError, near

_ROWS = 32
_PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device)
Call = dict[str, Any]


class Held(nn.Module):
    """A part under its own path: ``held.encoder.layer.3`` is what ``module.encoder.layer.3`` is, and nothing else is.

    Its forward takes, by name, the tensors that have rows for samples. All else that the part is called with is always
    the same, and kept.

    Args:
        whole: the module.
        path: the part's path in it.
        fixed: all that the part is called with, by flat name; ``None`` at the places of the tensors that it is fed.
        shape: how the flat arguments are put together.
        fed: the names of these tensors.
    """

    whole: nn.Module

    def __init__(
        self, whole: nn.Module, path: str, fixed: Mapping[str, Any], shape: pytree.TreeSpec, fed: tuple[str, ...]
    ) -> None:  # fmt: skip
        super().__init__()
        object.__setattr__(self, "whole", whole)  # not a submodule: its other weights are not of the part
        self.path, self.fed, self._shape = path, fed, shape
        kept = {name: value for name, value in fixed.items() if name not in fed}
        self._plain = {name: value for name, value in kept.items() if not isinstance(value, Tensor)}
        for name, value in kept.items():
            if isinstance(value, Tensor):
                self.register_buffer(f"_given_{name}", value)
        holder: nn.Module = self
        *outer, last = path.split(".")
        for name in outer:
            inner = nn.Module()
            holder.add_module(name, inner)
            holder = inner
        holder.add_module(last, whole.get_submodule(path))
        self._names = tuple(fixed)
        self._bind = inspect.signature(self.part.forward)
        self.forward = self._named_forward()
        self.eval()

    @property
    def part(self) -> nn.Module:
        """What is held."""
        return self.get_submodule(self.path)

    def check(self, leaves: Mapping[str, Any]) -> None:
        """Hold the flat arguments of a call against those that are kept.

        Raises:
            ModelError: the part is called with other arguments, or with another value where one is kept.
        """
        for name in dict.fromkeys((*self._names, *leaves)):
            kept = self._plain[name] if name in self._plain else getattr(self, f"_given_{name}", None)
            have = leaves.get(name)
            is_like = torch.equal(kept, have) if isinstance(kept, Tensor) and isinstance(have, Tensor) else kept == have
            if name not in self._names or (name not in self.fed and not is_like):
                raise ModelError(f"What '{self.path}' receives as '{name}' changes from call to call", do=_OTHER)

    def _named_forward(self) -> Callable[..., Any]:
        def forward(**tensors: Tensor) -> object:
            return self._run(tensors)

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in self.fed])
        return forward

    def _run(self, tensors: Mapping[str, Tensor]) -> object:
        leaves = [
            tensors[name] if name in self.fed else self._plain[name] if name in self._plain
            else getattr(self, f"_given_{name}") for name in self._names
        ]  # fmt: skip
        given = inspect.BoundArguments(self._bind, pytree.tree_unflatten(leaves, self._shape))
        return self.part(*given.args, **given.kwargs)


def hold(whole: nn.Module, path: str, arrays: Mapping[str, Any]) -> Held:
    """A part of a module, ready to be captured.

    The module is run on two samples and on three: what of the part's arguments grows with them has rows for samples,
    and is fed; what stays the same is kept.

    Args:
        whole: the module, in evaluation mode.
        path: the part's path in it.
        arrays: data of the whole module, by its forward's parameters.

    Raises:
        ModelError: there is no such part, it is not reached, or what it receives has no rows for samples.
        DataError: the data have no row.
    """
    names = [name for name, _ in whole.named_modules() if name]
    if path not in names:
        raise ModelError(f"{type(whole).__name__} has no part '{path}'", do=near(path, names))
    two, three = (_calls(whole, path, _rows(arrays, count))[0] for count in (2, 3))
    spec, leaves = _flat(two)
    other_spec, others = _flat(three)
    if spec != other_spec or set(leaves) != set(others):
        raise ModelError(f"'{path}' is called in different ways for two samples and for three", do=_OTHER)
    fed: dict[str, int] = {}
    fixed: dict[str, Any] = {}
    for name, value in leaves.items():
        rows = _per_sample(value, others[name], name, path)
        fixed[name] = None if rows else value
        if rows:
            fed[name] = rows
    if len(set(fed.values())) != 1:
        said = ", ".join(f"{name} {rows}" for name, rows in fed.items()) or "nothing"
        raise ModelError(f"What '{path}' receives has no common rows for samples: {said} for each", do=_OTHER)
    return Held(whole, path, fixed, spec, tuple(fed))


_OTHER = "Open another part: one further out or further in."


def recorded(held: Held, arrays: Mapping[str, Any], check: Callable[[], None] = lambda: None) -> dict[str, Tensor]:
    """What a part receives while the whole module runs on data; each call of the part is a batch of its own.

    Args:
        held: the part, with the module that it is of.
        arrays: the module's data, by its forward's parameters.
        check: called between batches; raises where the work is to stop.

    Returns:
        the tensors that the part is fed, ``[samples × rows for each × calls, ...]`` by name, up to
        :data:`~qdebug.doors.batches.BYTES` bytes.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in held.fed}
    size = 0
    for batch in _slices(arrays):
        check()
        for call in _calls(held.whole, held.path, batch):
            _, leaves = _flat(call)
            held.check(leaves)
            for name in held.fed:
                if parts[name] and leaves[name].shape[1:] != parts[name][0].shape[1:]:
                    raise ModelError(f"'{held.path}' receives '{name}' in different shapes", do=_OTHER)
                parts[name].append(leaves[name])
                size += parts[name][-1].nbytes
        if size > BYTES:
            break
    return {name: torch.cat(tensors) for name, tensors in parts.items()}


def _calls(whole: nn.Module, path: str, inputs: Mapping[str, Tensor]) -> list[Call]:
    """The arguments of each call of a part, by its forward's parameters."""
    part = whole.get_submodule(path)
    signature = inspect.signature(part.forward)
    found: list[Call] = []

    def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        bound = signature.bind(*args, **kwargs)
        # What comes after may change a tensor in place.
        found.append(pytree.tree_map_only(Tensor, lambda x: x.detach().clone(), dict(bound.arguments)))

    with _hooked(part, keep):
        error = fails(whole, inputs)
    if error is not None:
        raise error
    if not found:
        raise ModelError(f"'{path}' is not called when the module runs", do=_OTHER)
    return found


@contextmanager
def _hooked(part: nn.Module, keep: Callable[..., None]) -> Iterator[None]:
    handle = part.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _flat(call: Call) -> tuple[pytree.TreeSpec, dict[str, Any]]:
    """Arguments as leaves by flat names, and how they are put together again."""
    leaves, spec = pytree.tree_flatten_with_path(call)
    named = {}
    for path, leaf in leaves:
        words = (str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path)
        named["_".join(words).replace(".", "_")] = leaf
    return spec, named


def _per_sample(two: Any, three: Any, name: str, path: str) -> int:
    """Rows of an argument for each sample; 0 for one that is always the same."""
    if isinstance(two, Tensor) and isinstance(three, Tensor):
        if two.dim() and two.shape[1:] == three.shape[1:] and len(two) * 3 == len(three) * 2 and len(two):
            return len(two) // 2
        if two.shape == three.shape and torch.equal(two, three):
            return 0
        raise ModelError(
            f"What '{path}' receives as '{name}' has no rows for samples: {list(two.shape)} for two samples, "
            f"{list(three.shape)} for three", do=_OTHER,
        )  # fmt: skip
    if isinstance(two, _PLAIN) and type(two) is type(three) and two == three:
        return 0
    kind = type(two).__name__
    do = "Turn the cache off: model.config.use_cache = False in models of Hugging Face." if "Cache" in kind else _OTHER
    raise ModelError(f"'{path}' receives a {kind} as '{name}', which is no tensor", do=do)


def _rows(arrays: Mapping[str, Any], count: int) -> dict[str, Tensor]:
    """The first samples, repeated until there are so many."""
    found = {}
    for name, tensor in _inputs(arrays).items():
        times = -(-count // len(tensor)) if tensor.dim() else 1
        found[name] = tensor.repeat(times, *[1] * (tensor.dim() - 1))[:count] if tensor.dim() else tensor
    return found


def _slices(arrays: Mapping[str, Any]) -> Iterator[dict[str, Tensor]]:
    inputs = _inputs(arrays)
    count = next(len(tensor) for tensor in inputs.values() if tensor.dim())
    for start in range(0, count, _ROWS):
        yield {name: x[start : start + _ROWS] if x.dim() else x for name, x in inputs.items()}


def _inputs(arrays: Mapping[str, Any]) -> dict[str, Tensor]:
    inputs = {name: torch.as_tensor(value) for name, value in arrays.items() if name not in EXTRA}
    if not any(tensor.dim() and len(tensor) for tensor in inputs.values()):
        raise DataError("The data have no sample of any model input", do="Give arrays with samples first.")
    return inputs
