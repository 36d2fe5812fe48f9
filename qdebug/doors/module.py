"""``nn.Module`` to exported program."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx.experimental import proxy_tensor

from qdebug.doors.answers import check_answers
from qdebug.doors.refused import fails, first_line, refusal
from qdebug.errors import ModelError

#: torch's exporter and loaders are not safe to run in two threads at once.
_LOCK = threading.RLock()
FIXED_BATCH = 32
#: Loggers of torch that tell of graphs that it refuses.
_LOUD = ("torch.fx.experimental.symbolic_shapes", "torch._subclasses.fake_tensor", "torch.fx.experimental.recording")


def capture(
    module: nn.Module, inputs: Mapping[str, Tensor], *, checked: bool = True
) -> tuple[ExportedProgram, int | None]:
    """Capture a module for any batch size or, where its graph resists that, for one fixed size.

    The module is not changed: one in training mode, or on another device than the CPU, is copied. ``breakpoint()``
    does not stop meanwhile.

    Args:
        module: the model.
        inputs: example inputs by the name of forward's parameters, samples first.
        checked: whether what is captured is run and held against the module; its weights must be there then.

    Returns:
        the exported program, and the batch size if it is fixed.

    Raises:
        ModelError: it does not run on these inputs, ``torch.export`` cannot capture it, or what is captured answers
            otherwise than the module. The message names the line of the module's source, what it does there that
            cannot be captured, and what to do instead.
    """
    module = at_rest(module)
    free = {name: _repeated(tensor, 2) for name, tensor in inputs.items()}
    batch = torch.export.Dim("batch")
    shapes = {name: {0: batch} if tensor.dim() else None for name, tensor in free.items()}
    with torch_tools(), _undisturbed(), torch.no_grad():
        try:
            exported = functional(torch.export.export(module, (), kwargs=dict(free), dynamic_shapes=shapes))
            if checked:
                check_answers(exported, module, free)
            return exported, None
        except ModelError:
            raise
        except Exception as error:
            if (own := fails(module, free)) is not None:
                raise own from error
        fixed = {name: _repeated(tensor, FIXED_BATCH) for name, tensor in inputs.items()}
        try:
            exported = functional(torch.export.export(module, (), kwargs=fixed))
        except Exception as error:
            raise refusal(error, module, fixed) from error
        if checked:
            check_answers(exported, module, fixed)
        return exported, FIXED_BATCH


def at_rest(module: nn.Module) -> nn.Module:
    """A module in evaluation mode and on the CPU: itself if it is, else a copy.

    Raises:
        ModelError: its weights are nowhere, or it cannot be copied.
    """
    devices = {tensor.device.type for tensor in (*module.parameters(), *module.buffers())}
    if "meta" in devices:
        raise ModelError(
            f"{type(module).__name__} has no weights: they are on the meta device", do="Load them, then open it."
        )
    if not any(one.training for one in module.modules()) and devices <= {"cpu"}:
        return module
    try:
        return copy.deepcopy(module).eval().cpu()
    except Exception as error:
        raise ModelError(
            f"{type(module).__name__} is in training mode or not on the CPU, and cannot be copied: {first_line(error)}",
            do="Call module.eval() and module.cpu() before opening it.",
        ) from error


def functional(exported: ExportedProgram) -> ExportedProgram:
    """The same program without operators that change a value in place. Composite operators stay whole."""
    found = exported.run_decompositions({})
    getattr(proxy_tensor, "_FAKE_TENSOR_ID_TO_PROXY_MAP_FOR_EXPORT", {}).clear()  # it holds the last graph for good
    return found


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No breakpoint stops, and torch neither logs nor prints graphs that it refuses: the error says what matters."""
    loud = [logger for logger in map(logging.getLogger, _LOUD) if not logger.disabled]
    hook = sys.breakpointhook
    sys.breakpointhook = lambda *_, **__: None
    for logger in loud:
        logger.disabled = True
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        sys.breakpointhook = hook
        for logger in loud:
            logger.disabled = False


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
