"""Mixtures of experts, each expert with matrices of its own.

The library keeps all experts of a block in one tensor and multiplies groups of tokens with slices of it, which leaves
no layer that could be given a format. Here every expert is three linear layers that see the tokens routed to it; all
others are zero, so that ranges are those of the expert's own tokens. Each expert computes on all places: a pass costs
as many times more as there are experts for each one that a token takes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Expert(nn.Module):
    def __init__(self, gate: Tensor, up: Tensor, down: Tensor, activation: nn.Module) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = _linear(gate), _linear(up), _linear(down)
        self.act_fn = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))


class _Experts(nn.ModuleList):
    """In the place of the library's, under the same name."""

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """The weighted sum of the experts that each token is routed to.

        Args:
            hidden_states: ``[tokens, H]``.
            top_k_index: int64 ``[tokens, K]``.
            top_k_weights: ``[tokens, K]``.
        """
        total = torch.zeros_like(hidden_states)
        for number, expert in enumerate(self):
            mine = (top_k_index == number).to(hidden_states.dtype)
            routed = mine.sum(-1, keepdim=True)
            weight = (top_k_weights * mine).sum(-1, keepdim=True)
            total = total + expert(hidden_states * routed) * weight
        return total


def unfold(model: nn.Module) -> tuple[str, ...]:
    """Replace every block of experts that is of the plain kind; in place.

    Returns:
        the names of blocks of another kind (interleaved, transposed, with biases), whose experts stay as they are.
    """
    left = []
    for name, block in list(model.named_modules()):
        if not isinstance(getattr(block, "gate_up_proj", None), nn.Parameter):
            continue
        if not _is_plain(block):
            left.append(name)
            continue
        plain: Any = block
        inner = plain.gate_up_proj.shape[1] // 2
        experts = [
            _Expert(both[:inner], both[inner:], down, plain.act_fn)
            for both, down in zip(plain.gate_up_proj, plain.down_proj, strict=True)
        ]
        model.set_submodule(name, _Experts(experts).eval())
    return tuple(left)


def _is_plain(block: nn.Module) -> bool:
    """Whether this computes down(act(gate) · up) from a tensor of both, gate first."""
    says = {
        "has_gate": True, "is_concatenated": True, "is_transposed": False, "has_bias": False,
        "has_post_expert_norm": False,
    }  # fmt: skip
    own = getattr(type(block), "_apply_gate", None)
    usual = own is None or own.__module__ == "transformers.integrations.moe"
    return usual and hasattr(block, "act_fn") and all(getattr(block, key, None) is value for key, value in says.items())


def _linear(weight: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    made.weight = nn.Parameter(weight.detach().contiguous(), requires_grad=False)
    return made
