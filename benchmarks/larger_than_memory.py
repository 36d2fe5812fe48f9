"""A generated checkpoint opened, evaluated and predicted by a process that may hold a part of it. Prints JSON.

    python -m benchmarks.larger_than_memory [--blocks 75] [--limit-mb 1300] [--steps w8a8,predict,w4g128+gptq,export]

A Llama of random weights in bfloat16 (hidden size 1536, blocks of 26 million weights, 104 MB in float32) is written
into a folder for temporary files, and a process of its own works on it whose private memory the system limits
(``RLIMIT_DATA``: what it has allocated, touched or not). ``checkpoint_over_limit`` is how many times the file is
larger than that. For each step its seconds and the most private memory that was resident while it ran (``RssAnon``,
looked at every 10 ms).

Steps: a preset, ``PRESET+FIX``, ``predict`` (sensitivity of all layers in two formats of weights and one of inputs), or
``export`` (a compressed-tensors folder of w4g128).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

HIDDEN, INNER, TOKENS = 1536, 4096, 512
_STATUS = re.compile(r"RssAnon:\s+(\d+)")


def main(blocks: int, limit: int, steps: list[str]) -> dict[str, object]:
    """Write the checkpoint, and let a process of its own go through the steps.

    Args:
        blocks: of the network.
        limit: megabytes of private memory.
        steps: what to do with it.
    """
    with tempfile.TemporaryDirectory(prefix="qdebug-large-") as folder:
        size = write(Path(folder), blocks)
        found = run(Path(folder), limit, steps)
    return {
        "checkpoint_mb": size / 1e6, "block_mb": 4 * _block() / 1e6, "limit_mb": limit,
        "checkpoint_over_limit": size / 1e6 / limit, "steps": found,
    }  # fmt: skip


def write(folder: Path, blocks: int) -> int:
    """A Llama's folder with data beside it (``data.npz``); the bytes of its weights."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (TOKENS, HIDDEN), "lm_head.weight": (TOKENS, HIDDEN),
        "model.norm.weight": (HIDDEN,),
    }  # fmt: skip
    for block in range(blocks):
        shapes |= {f"model.layers.{block}.{name}.weight": shape for name, shape in _SHAPES.items()}
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": TOKENS, "hidden_size": HIDDEN,
        "intermediate_size": INNER, "num_hidden_layers": blocks, "num_attention_heads": HIDDEN // 64,
        "num_key_value_heads": HIDDEN // 128, "max_position_embeddings": 256, "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    dice = torch.Generator().manual_seed(0)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            drawn = torch.ones(shape) if len(shape) == 1 else torch.randn(shape, generator=dice) * shape[1] ** -0.5
            file.write(drawn.bfloat16().view(torch.uint8).numpy().data)
    ids = np.random.default_rng(0).integers(3, TOKENS, (4, 17))
    np.savez(folder / "data.npz", input_ids=ids[:, :-1], labels=ids[:, 1:])
    return end


_SHAPES: dict[str, tuple[int, ...]] = {
    "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (HIDDEN // 2, HIDDEN),
    "self_attn.v_proj": (HIDDEN // 2, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN), "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN), "mlp.down_proj": (HIDDEN, INNER), "input_layernorm": (HIDDEN,),
    "post_attention_layernorm": (HIDDEN,),
}  # fmt: skip


def _block() -> int:
    return sum(int(np.prod(shape)) for shape in _SHAPES.values())


def run(
    folder: Path, limit: int, steps: list[str], environment: dict[str, str] | None = None
) -> list[dict[str, object]]:
    """Go through the steps in a process that may take so many megabytes; what each took.

    Raises:
        RuntimeError: the process did not come to its end; the message ends with what it said last.
    """
    with tempfile.TemporaryDirectory(prefix="qdebug-workspace-") as workspace:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.larger_than_memory", "--folder", str(folder), "--limit-mb", str(limit),
             "--steps", ",".join(steps)],
            env={**os.environ, "QDEBUG_WORKSPACE": workspace, **(environment or {})}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines()]


def go_through(folder: Path, limit: int, steps: list[str]) -> None:
    """Limit this process, and print a line of JSON for each step, opening first."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (limit * 10**6, limit * 10**6))
    torch.set_num_threads(1)
    peak = _Peak()
    from qdebug.recipes import Recipe, parse_fix, parse_plan, preset, with_fix
    from qdebug.search.predict.projector import Projector
    from qdebug.session import open as open_model

    with peak.of("open"):
        session = open_model(folder, folder / "data.npz")
    for step in steps:
        name, _, fix = step.partition("+")
        with peak.of(step):
            if step == "predict":
                weights = [parse_plan(one).weight for one in ("w4g32", "w8")]
                projector = Projector(session, Recipe(), weights, [parse_plan("w8a8").activation])
                projector.project(projector.parts())
            elif step == "export":
                from qdebug.export import write_checkpoint

                write_checkpoint(session.decided(preset("w4g128")), folder, folder / "exported")
            else:
                session.evaluate(with_fix(preset(name), parse_fix(fix)) if fix else preset(name))


class _Peak:
    """Looks at the resident private memory all the time."""

    def __init__(self) -> None:
        self._most, self._name, self._start = 0, "", 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def of(self, name: str) -> _Peak:
        """What is to be reported next."""
        self._name = name
        return self

    def __enter__(self) -> None:
        self._most, self._start = 0, time.perf_counter()

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            said = {"step": self._name, "seconds": time.perf_counter() - self._start, "peak_mb": self._most / 1e3}
            print(json.dumps(said), flush=True)

    def _watch(self) -> None:
        while True:
            found = _STATUS.search(Path("/proc/self/status").read_text())
            self._most = max(self._most, int(found[1]) if found else 0)
            time.sleep(0.01)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--blocks", type=int, default=75)
    options.add_argument("--limit-mb", type=int, default=1300)
    options.add_argument("--steps", default="w8a8")
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    chosen = [step for step in given.steps.split(",") if step]
    if given.folder:
        go_through(given.folder, given.limit_mb, chosen)
    else:
        print(json.dumps(main(given.blocks, given.limit_mb, chosen), indent=2))
