"""Hugging Face folders with code of their own."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.promises.traps.files import run_file, safetensors
from benchmarks.promises.traps.programs import load_pickle, torch_pickle
from benchmarks.promises.traps.trap import Trap, expression, pickled, unpickled

_TINY = {
    "vocab_size": 16, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 2, "max_position_embeddings": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "tie_word_embeddings": False,
}  # fmt: skip
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **_TINY}


@cache
def _weights() -> bytes:
    sizes = {
        "model.embed_tokens": [16, 8], "model.norm": [8], "lm_head": [16, 8],
        **{f"model.layers.0.self_attn.{one}_proj": [8, 8] for one in "qkvo"},
        **{f"model.layers.0.mlp.{one}_proj": [8, 8] for one in ("gate", "up", "down")},
        **{f"model.layers.0.{one}_layernorm": [8] for one in ("input", "post_attention")},
    }  # fmt: skip
    import numpy as np

    dice = np.random.default_rng(0)
    return safetensors({
        f"{name}.weight": ("F32", shape, dice.standard_normal(shape).astype(np.float32).tobytes())
        for name, shape in sizes.items()
    })  # fmt: skip


def written(folder: Path, config: dict[str, Any], *, weights: bytes | None = None, **files: str) -> Path:
    """A folder with a configuration, weights, and texts by their names (``_`` is the point before the ending)."""
    place = folder / "hub"
    place.mkdir()
    (place / "config.json").write_text(json.dumps(config))
    (place / "model.safetensors").write_bytes(_weights() if weights is None else weights)
    for name, text in files.items():
        stem, _, ending = name.rpartition("_")
        (place / f"{stem}.{ending}").write_text(text)
    return place


def tokenizer(**more: Any) -> dict[str, str]:
    """A tokenizer of sixteen words, and what its configuration says beside."""
    words = {word: at for at, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *"abcdefghijkl"])}
    whole = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"},
    }  # fmt: skip
    said = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "pad_token": "<pad>", **more}
    return {"tokenizer_json": json.dumps(whole), "tokenizer_config_json": json.dumps(said)}


def _code(mark: Path) -> str:
    return f"{expression(mark)}\nclass Trap: pass\n"


def _auto_map(folder: Path, mark: Path) -> Path:
    names = {"AutoConfig": "trap_code.Trap", "AutoModelForCausalLM": "trap_code.Trap"}
    config = {**LLAMA, "architectures": ["Trap"], "model_type": "trap", "auto_map": names}
    return written(folder, config, trap_code_py=_code(mark))


def _auto_map_beside(folder: Path, mark: Path) -> Path:
    """A known architecture, whose configuration names code all the same."""
    config = {
        **LLAMA,
        "auto_map": {"AutoModel": "trap_code.Trap"},
        "custom_pipelines": {"t": {"impl": "trap_code.Trap"}},
    }
    return written(folder, config, trap_code_py=_code(mark))


def _python_path(folder: Path, mark: Path) -> Path:
    """Values of a configuration that some library takes for places of code."""
    config = {
        **LLAMA, "attn_implementation": "trap/kernel", "_attn_implementation": "trap_code.py",
        "trust_remote_code": True,
        "torch_dtype": expression(mark), "name_or_path": "trap_code.py", "transformers_weights": "trap_code.py",
        "rope_scaling": {"rope_type": expression(mark)},
    }  # fmt: skip
    return written(folder, config, trap_code_py=_code(mark))


def _tokenizer_code(folder: Path, mark: Path) -> Path:
    files = tokenizer(auto_map={"AutoTokenizer": ["trap_code.Trap", None]}, tokenizer_class="Trap")
    return written(folder, LLAMA, trap_code_py=_code(mark), **files)


def _template(folder: Path, mark: Path) -> Path:
    text = "{{ cycler.__init__.__globals__.os.mkdir('%s') }}" % mark  # noqa: UP031 - braces are the template's
    return written(folder, LLAMA, **tokenizer(chat_template=text))


def render(path: Path) -> object:
    """Outside of a sandbox."""
    import jinja2

    return jinja2.Template(json.loads((path / "tokenizer_config.json").read_text())["chat_template"]).render()


def _pickled_weights(folder: Path, mark: Path) -> Path:
    place = written(folder, LLAMA)
    (place / "model.safetensors").unlink()
    (place / "pytorch_model.bin").write_bytes(torch_pickle(mark))
    return place


def _pickled_shard(folder: Path, mark: Path) -> Path:
    """An index that calls a pickle a shard."""
    index = {"weight_map": {"lm_head.weight": "pytorch_model.bin"}}
    place = written(folder, LLAMA, model_safetensors_index_json=json.dumps(index))
    (place / "model_safetensors_index.json").rename(place / "model.safetensors.index.json")
    (place / "pytorch_model.bin").write_bytes(torch_pickle(mark))
    return place


def _named_so(folder: Path, mark: Path) -> Path:
    return written(folder, LLAMA, weights=pickled(mark))


def _script(folder: Path, mark: Path) -> Path:
    """A data set with a script that loads it, as old ones have."""
    place = folder / "set"
    place.mkdir()
    (place / "set.py").write_text(_code(mark))
    (place / "dataset_info.json").write_text(json.dumps({"features": {"text": {"dtype": "string", "_type": "Value"}}}))
    (place / "state.json").write_text(json.dumps({"_data_files": [{"filename": "set.py"}]}))
    return place


def run_code(path: Path) -> object:
    """As ``trust_remote_code=True`` does."""
    return run_file(path / "trap_code.py")


def load_bin(path: Path) -> object:
    """As transformers did before safetensors."""
    return load_pickle(path / "pytorch_model.bin")


TRAPS = (
    Trap("hf: an architecture that is code", "model", _auto_map, run_code),
    Trap("hf: code beside a known architecture", "model", _auto_map_beside, run_code),
    Trap("hf: values that name Python files", "model", _python_path, run_code),
    Trap("hf: a tokenizer that is code", "conversation", _tokenizer_code, run_code),
    Trap("hf: a chat template that leaves its sandbox", "conversation", _template, render),
    Trap("hf: weights that are a pickle", "model", _pickled_weights, load_bin),
    Trap("hf: an index that names a pickle", "model", _pickled_shard, load_bin),
    Trap(
        "hf: a pickle called safetensors", "model", _named_so,
        lambda path: unpickled((path / "model.safetensors").read_bytes()),
    ),
    Trap("dataset: a script that loads it", "pictures", _script, lambda path: run_file(path / "set.py")),
)  # fmt: skip
