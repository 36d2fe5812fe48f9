"""Architecture: a byte-level GPT-2 in small (pre-norm, GELU, learned positions, untied head)."""

import math

import torch
import torch.nn.functional as F
from torch import nn

VOCABULARY = 256
CONTEXT = 128
WIDTH = 160
HEADS = 5
BLOCKS = 4


class CausalAttention(nn.Module):
    """Multi-head self-attention that looks back only, written out so that every step can be inspected."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("future", torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).triu(1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, T, WIDTH] -> [N, T, WIDTH]"""
        length = x.shape[1]
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        scores = q @ k.transpose(-2, -1) / math.sqrt(WIDTH // HEADS)
        scores = scores.masked_fill(self.future[:length, :length], -math.inf)
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, T, WIDTH] -> [N, T, WIDTH]"""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attn = CausalAttention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = MLP()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, T, WIDTH] -> [N, T, WIDTH]"""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PydocGPT(nn.Module):
    """Embeddings, four blocks, final norm, head."""

    def __init__(self):
        super().__init__()
        self.tok_emb = nn.Embedding(VOCABULARY, WIDTH)
        self.pos_emb = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList([Block() for _ in range(BLOCKS)])
        self.norm = nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """tokens int64 [N, T <= CONTEXT], bytes 0..255 -> logits [N, T, VOCABULARY] for the next byte"""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.tok_emb(tokens) + self.pos_emb(positions)
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.norm(x))


def build() -> nn.Module:
    """The untrained network in eval mode; weights.safetensors fits its state dict."""
    return PydocGPT().eval()
