"""``nn.Module`` to exported program."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from qdebug.errors import ModelError

#: torch's exporter and loaders are not safe to run in two threads at once.
_LOCK = threading.RLock()
FIXED_BATCH = 32


def capture(module: nn.Module, inputs: Mapping[str, Tensor]) -> tuple[ExportedProgram, int | None]:
    """Capture a module for any batch size or, where its graph resists that, for one fixed size.

    The module is not changed: one in training mode is copied and captured in evaluation mode.

    Args:
        module: the model.
        inputs: example inputs by the name of forward's parameters, samples first.

    Returns:
        the exported program, and the batch size if it is fixed.

    Raises:
        ModelError: ``torch.export`` cannot capture it; the message carries the reason it gives.
    """
    if module.training:
        module = copy.deepcopy(module).eval()
    free = {name: _repeated(tensor, 2) for name, tensor in inputs.items()}
    batch = torch.export.Dim("batch")
    shapes = {name: {0: batch} if tensor.dim() else None for name, tensor in free.items()}
    with torch_tools(), torch.no_grad():
        try:
            return functional(torch.export.export(module, (), kwargs=dict(free), dynamic_shapes=shapes)), None
        except Exception:  # noqa: BLE001 - torch.export raises anything; the second try decides what people are told
            pass
        fixed = {name: _repeated(tensor, FIXED_BATCH) for name, tensor in inputs.items()}
        try:
            return functional(torch.export.export(module, (), kwargs=fixed)), FIXED_BATCH
        except Exception as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ModelError(
                f"torch.export cannot capture {type(module).__name__}: {reason.strip()}",
                do="Remove data-dependent control flow from forward, or check that the inputs fit its signature.",
            ) from error


def functional(exported: ExportedProgram) -> ExportedProgram:
    """The same program without operators that change a value in place. Composite operators stay whole."""
    return exported.run_decompositions({})


@contextmanager
def torch_tools() -> Iterator[None]:
    """One thread at a time in torch's exporter and loaders, without deprecation warnings nobody here can act on.

    While it traces, torch puts functions of its own in the place of ``min`` and ``max`` for the whole process; a loop
    that numba compiles meanwhile in another thread would meet them and fail. So nothing is compiled meanwhile.
    """
    with _LOCK, _no_compiling(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _no_compiling() -> AbstractContextManager[object]:
    try:
        from numba.core.compiler_lock import global_compiler_lock
    except ImportError:
        return nullcontext()
    return global_compiler_lock


def _repeated(tensor: Tensor, count: int) -> Tensor:
    """The first samples, repeated until there are ``count``."""
    if tensor.dim() == 0 or len(tensor) == 0:
        return tensor
    times = -(-count // len(tensor))
    return tensor.repeat(times, *[1] * (tensor.dim() - 1))[:count].clone()
