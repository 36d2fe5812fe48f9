"""The one training loop: AdamW, one cosine cycle, seeded, on the CPU."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def make_reproducible(seed: int, threads: int = 1) -> None:
    """Seed torch and fix the number of threads: sums split differently round differently."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)


def fit(
    model: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    epochs: int,
    learning_rate: float,
    seed: int,
    batch: int = 64,
    weight_decay: float = 0.05,
    label_smoothing: float = 0.0,
    augment: Augment | None = None,
) -> None:
    """Train in place. Model outputs are logits [..., classes] for labels [...]; left in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(_groups(model, weight_decay), lr=learning_rate)
    steps = epochs * (len(inputs) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    model.train()
    for epoch in range(epochs):
        order = torch.randperm(len(inputs), generator=generator)
        total = 0.0
        for picked in order[: len(order) // batch * batch].split(batch):
            x = inputs[picked]
            logits = model(augment(x, generator) if augment else x)
            loss = F.cross_entropy(logits.flatten(0, -2), labels[picked].flatten(), label_smoothing=label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs} loss {total / (len(order) // batch):.4f}", flush=True)
    model.eval()


def _groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Decay matrices and kernels only: norms, biases and embeddings are not what overfits."""
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    decayed = [p for p in model.parameters() if p.ndim > 1 and id(p) not in embeddings]
    plain = [p for p in model.parameters() if p.ndim <= 1 or id(p) in embeddings]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


@torch.no_grad()
def accuracy(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> float:
    """Share (0..1) of labels [N] that the model's largest logit names."""
    return (model(inputs).argmax(-1) == labels).float().mean().item()


@torch.no_grad()
def perplexity(model: nn.Module, tokens: torch.Tensor, labels: torch.Tensor) -> float:
    """exp of the mean cross-entropy (nats) over all positions of tokens, labels [N, T]."""
    losses = [
        F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum").double()
        for x, y in zip(tokens.split(16), labels.split(16), strict=True)
    ]
    return (torch.stack(losses).sum() / labels.numel()).exp().item()
