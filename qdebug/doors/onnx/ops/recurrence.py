"""What RNN, GRU and LSTM compute over time, once the input's products are there (ONNX, RNN, GRU, LSTM).

A sequence is ``[S, B, ·]`` inside; where batches come first it is turned round at both ends. What lies behind a
sequence's length is zero in the output and leaves the state as it is; backwards, each sequence begins at its own end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.errors import ModelError

Spelled: TypeAlias = tuple[str, float, float]
"""An activation by name, with alpha and beta."""
Function: TypeAlias = Callable[[Tensor], Tensor]

_PLAIN: dict[str, Function] = {
    "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softsign": F.softsign, "softplus": F.softplus,
}  # fmt: skip
_SHAPED: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "affine": lambda x, alpha, beta: alpha * x + beta,
    "leakyrelu": lambda x, alpha, _: torch.where(x < 0, alpha * x, x),
    "thresholdedrelu": lambda x, alpha, _: torch.where(x > alpha, x, torch.zeros_like(x)),
    "scaledtanh": lambda x, alpha, beta: alpha * torch.tanh(beta * x),
    "hardsigmoid": lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1),
    "elu": lambda x, alpha, _: torch.where(x < 0, alpha * torch.expm1(x), x),
}
DEFAULTS: dict[str, tuple[float | None, float | None]] = {
    "affine": (1.0, 0.0), "leakyrelu": (0.01, None), "thresholdedrelu": (1.0, None), "scaledtanh": (1.0, 1.0),
    "hardsigmoid": (0.2, 0.5), "elu": (1.0, None),
}  # fmt: skip
"""Alpha and beta where a node gives none; None where an activation has none."""


def function(spelled: Spelled, clip: float) -> Function:
    """An activation as a function, behind the clipping of what goes into it.

    Raises:
        ModelError: there is no such activation.
    """
    name, alpha, beta = spelled
    shaped = _SHAPED.get(name)
    run = _PLAIN.get(name) if shaped is None else lambda x: shaped(x, alpha, beta)
    if run is None:
        known = ", ".join((*_PLAIN, *_SHAPED))
        raise ModelError(f"There is no activation '{name}' for recurrent operators", do=f"Known: {known}.")
    return (lambda x: run(x.clamp(-clip, clip))) if clip > 0 else run


def recurrent_rnn(
    projected: Tensor, weight: Tensor, bias: Tensor | None, lengths: Tensor | None, h: Tensor | None, *,
    reverse: bool, batch_first: bool, activations: Sequence[Spelled], clip: float = 0.0,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """``h ← f(x W + h R + b)``.

    Args:
        projected: the input's products, ``[S, B, H]`` (``[B, S, H]`` where batches come first).
        weight: R, ``[H, H]``.
        bias: those of W and of R, one behind the other, ``[2 · H]``.
        lengths: of each sequence, ``[B]``.
        h: the first state, ``[B, H]``.
        reverse: from the end to the beginning.
        batch_first: see above.
        activations: f.
        clip: what goes into an activation is kept within ±clip; 0 for no bound.

    Returns:
        all states as the input has its places, and the last state ``[B, H]``.
    """
    f = function(activations[0], clip)
    turned = weight.t()

    def step(x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (f(x + state[0] @ turned),)

    if bias is not None:
        projected = projected + bias.reshape(2, -1).sum(0)
    y, (last,) = _walked(projected, step, (h,), weight.shape[1], lengths, reverse, batch_first)
    return y, last


def recurrent_gru(
    projected: Tensor, weight: Tensor, bias: Tensor | None, lengths: Tensor | None, h: Tensor | None, *,
    reverse: bool, batch_first: bool, activations: Sequence[Spelled], clip: float = 0.0, reset_last: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Gates z, r, h. Arguments as for :func:`recurrent_rnn`, with ``[3 · H, H]`` weights.

    With ``reset_last`` the reset gate scales the product with R (``linear_before_reset``), not what goes into it.
    """
    hidden = weight.shape[1]
    f, g = (function(one, clip) for one in activations)
    gates, candidate = weight[: 2 * hidden].t(), weight[2 * hidden :].t()
    added: Tensor | float = 0.0
    if bias is not None:
        ours, theirs = bias.reshape(2, -1)
        added = theirs[2 * hidden :]
        projected = projected + ours + F.pad(theirs[: 2 * hidden], (0, hidden))

    def step(x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        (h,) = state
        update, reset = f(x[:, : 2 * hidden] + h @ gates).chunk(2, -1)
        inner = reset * (h @ candidate + added) if reset_last else (reset * h) @ candidate + added
        new = g(x[:, 2 * hidden :] + inner)
        return (new + update * (h - new),)

    y, (last,) = _walked(projected, step, (h,), hidden, lengths, reverse, batch_first)
    return y, last


def recurrent_lstm(
    projected: Tensor, weight: Tensor, bias: Tensor | None, lengths: Tensor | None, h: Tensor | None,
    c: Tensor | None, peepholes: Tensor | None, *, reverse: bool, batch_first: bool, activations: Sequence[Spelled],
    clip: float = 0.0, coupled: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gates i, o, f, c. Arguments as for :func:`recurrent_rnn`, with ``[4 · H, H]`` weights.

    Further, ``c`` is the first cell state, ``[B, H]``; ``peepholes`` weigh the cell state in the gates i, o and f,
    ``[3 · H]``; and where gates are ``coupled``, what is let in is what is forgotten, ``f = 1 − i`` (``input_forget``).

    Returns:
        all states, the last state, and the last cell state.
    """
    hidden = weight.shape[1]
    f, g = (function(one, clip) for one in activations[:2])
    out = function(activations[2], 0.0)  # ONNX Runtime clips what goes into the gates, not the cell state
    turned = weight.t()
    looks = None if peepholes is None else peepholes.reshape(3, -1)
    if bias is not None:
        projected = projected + bias.reshape(2, -1).sum(0)

    def step(x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h, c = state
        total = x + h @ turned
        if looks is None:
            let_in, let_out, keep = f(total[:, : 3 * hidden]).chunk(3, -1)
        else:
            parts = total.chunk(4, -1)
            let_in, keep = f(parts[0] + looks[0] * c), f(parts[2] + looks[2] * c)
        if coupled:
            keep = 1 - let_in
        new = keep * c + let_in * g(total[:, 3 * hidden :])
        if looks is not None:
            let_out = f(parts[1] + looks[1] * new)
        return let_out * out(new), new

    y, (last, cell) = _walked(projected, step, (h, c), hidden, lengths, reverse, batch_first)
    return y, last, cell


def _walked(
    projected: Tensor, step: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]],
    first: Sequence[Tensor | None], hidden: int, lengths: Tensor | None, reverse: bool, batch_first: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:  # fmt: skip
    """A step for each place in time, and the states it leaves."""
    x = projected.transpose(0, 1) if batch_first else projected
    count, batch = x.shape[:2]
    zeros = x.new_zeros(batch, hidden)
    state = tuple(zeros if one is None else one for one in first)
    if lengths is None:
        times = range(count - 1, -1, -1) if reverse else range(count)
        states: list[Tensor] = [zeros] * count
        for time in times:
            state = step(x[time], state)
            states[time] = state[0]
        y = torch.stack(states) if states else x.new_zeros(0, batch, hidden)
    else:
        y, state = _walked_lengths(x, step, state, lengths, reverse)
    return (y.transpose(0, 1) if batch_first else y), state


def _walked_lengths(
    x: Tensor, step: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]], state: tuple[Tensor, ...],
    lengths: Tensor, reverse: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:  # fmt: skip
    """The same for sequences of different lengths."""
    count, batch = x.shape[:2]
    time = torch.arange(count, device=x.device).unsqueeze(1)
    within = (time < lengths.reshape(1, -1)).unsqueeze(-1)  # [S, B, 1]
    order = torch.where(within[..., 0], lengths.reshape(1, -1) - 1 - time, time).long() if reverse else None
    if order is not None:  # its own inverse
        x = x.gather(0, order.unsqueeze(-1).expand_as(x))
    states = []
    for place in range(count):
        now = within[place]
        state = tuple(torch.where(now, new, old) for new, old in zip(step(x[place], state), state, strict=True))
        states.append(torch.where(now, state[0], torch.zeros_like(state[0])))
    y = torch.stack(states) if states else x.new_zeros(0, batch, state[0].shape[-1])
    return (y if order is None else y.gather(0, order.unsqueeze(-1).expand_as(y))), state
