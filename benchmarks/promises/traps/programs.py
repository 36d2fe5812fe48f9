"""Exported programs (``.pt2``) that torch's own loader would run code of."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.promises.traps.trap import Trap, expression, pickled

WEIGHTS, CONSTANTS = "data/weights/model_weights_config.json", "data/constants/model_constants_config.json"
MODEL, SAMPLES = "models/model.json", "data/sample_inputs/model.pt"
Entries = dict[str, bytes]


class _Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Two layers."""
        return torch.relu(self.head(x))


@cache
def _whole() -> bytes:
    torch.manual_seed(0)
    content = io.BytesIO()
    shapes = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(_Net().eval(), (torch.ones(2, 4),), dynamic_shapes=shapes), content)
    return content.getvalue()


def entries() -> Entries:
    """The members of a good program, by their place below the one folder."""
    with zipfile.ZipFile(io.BytesIO(_whole())) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def written(folder: Path, members: Entries, name: str = "model.pt2") -> Path:
    """An archive with these members."""
    with zipfile.ZipFile(folder / name, "w") as archive:
        for place, content in members.items():
            archive.writestr(f"model/{place}", content)
    return folder / name


def edited(members: Entries, place: str, change: Callable[[Any], object]) -> Entries:
    """Members of which one, a description, is changed."""
    found = json.loads(members[place])
    change(found)
    return {**members, place: json.dumps(found).encode()}


def load(path: Path) -> object:
    """As torch's users do, and as this door's next step does."""
    return torch.export.load(path).run_decompositions({})


def trap(name: str, change: Callable[[Entries, Path], Entries]) -> Trap:
    """A program with something changed."""
    return Trap(f"pt2: {name}", "model", lambda folder, mark: written(folder, change(entries(), mark)), load)


def graph(found: Any) -> Any:
    """The graph within a program's description."""
    return found["graph_module"]["graph"]


def calls(target: str, argument: str) -> Callable[[Any], None]:
    """A node more, which calls a function of one text."""
    node = {
        "target": target, "inputs": [{"name": "", "arg": {"as_string": argument}, "kind": 1}],
        "outputs": [{"as_none": True}], "metadata": {}, "is_hop_single_tensor_return": None, "name": "made",
    }  # fmt: skip

    def change(found: Any) -> None:
        graph(found)["nodes"].insert(0, node)

    return change


def renamed(before: str, after: str, found: Any) -> None:
    """Every occurrence of a value's name, replaced."""
    text = json.dumps(found).replace(json.dumps(before), json.dumps(after))
    found.clear()
    found.update(json.loads(text))


def _pickled_weight(members: Entries, mark: Path) -> Entries:
    def change(found: Any) -> None:
        found["config"]["head.bias"] |= {"use_pickle": True}

    place = json.loads(members[WEIGHTS])["config"]["head.bias"]["path_name"]
    return {**edited(members, WEIGHTS, change), f"data/weights/{place}": torch_pickle(mark)}


def torch_pickle(mark: Path) -> bytes:
    """What torch.save would have written."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(mark))
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")
    return content.getvalue()


def _opaque(members: Entries, mark: Path) -> Entries:
    entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    changed = edited(members, CONSTANTS, lambda found: found["config"].update(secret=entry))
    return {**changed, "data/constants/opaque_obj_0": pickled(mark)}


def _legacy(members: Entries, mark: Path) -> Entries:
    return {**members, "data/weights/model.pt": torch_pickle(mark)}


def _samples(members: Entries, mark: Path) -> Entries:
    return {**members, SAMPLES: torch_pickle(mark)}


def _called(members: Entries, mark: Path) -> Entries:
    return edited(members, MODEL, calls("torch.serialization.os.mkdir", str(mark)))


def _size(members: Entries, mark: Path) -> Entries:
    def change(found: Any) -> None:
        graph(found)["tensor_values"]["x"]["sizes"][1] = {"as_expr": {"expr_str": expression(mark), "hint": None}}

    return edited(members, MODEL, change)


def _named(members: Entries, mark: Path) -> Entries:
    return edited(members, MODEL, lambda found: renamed("x", f"x={expression(mark)}", found))


def _imported(members: Entries, mark: Path) -> Entries:
    """A structure of arguments that names a module to import: one that lies in the folder of the file."""
    context = {"default_factory_module": "qdebug_trap", "default_factory_name": "made", "dict_context": []}
    spec = json.dumps([1, {"type": "collections.defaultdict", "context": context, "children_spec": []}])

    def change(found: Any) -> None:
        found["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = spec

    return edited(members, MODEL, change)


def _import_trap(folder: Path, mark: Path) -> Path:
    (folder / "qdebug_trap.py").write_text(f"made = list\n{expression(mark)}\n")
    return written(folder, _imported(entries(), mark))


def _with_folder(path: Path) -> object:
    import sys

    sys.path.insert(0, str(path.parent))
    try:
        return load(path)
    finally:
        sys.path.remove(str(path.parent))
        sys.modules.pop("qdebug_trap", None)


def _old(folder: Path, mark: Path) -> Path:
    """As torch before 2.8 wrote it."""
    with zipfile.ZipFile(folder / "model.pt2", "w") as archive:
        archive.writestr("version", ".".join(map(str, torch._export.serde.schema.SCHEMA_VERSION)))
        archive.writestr("serialized_exported_program.json", entries()[MODEL])
        for name in ("state_dict", "constants", "example_inputs"):
            archive.writestr(f"serialized_{name}.pt", torch_pickle(mark))
    return folder / "model.pt2"


def _plain_pickle(folder: Path, mark: Path) -> Path:
    (folder / "model.pt2").write_bytes(torch_pickle(mark))
    return folder / "model.pt2"


def load_pickle(path: Path) -> object:
    """As old scripts do."""
    return torch.load(path, weights_only=False)  # noqa: TID251


def _checkpoint(folder: Path, mark: Path) -> Path:
    (folder / "model.pt").write_bytes(torch_pickle(mark))
    return folder / "model.pt"


TRAPS = (
    trap("a weight is a pickle", _pickled_weight),
    trap("weights as older versions have them", _legacy),
    trap("a constant is a pickle", _opaque),
    trap("example inputs are a pickle", _samples),
    Trap(
        "pt2: a node calls a function of Python",
        "model",
        lambda folder, mark: written(folder, _called(entries(), mark)),
        None,
        "torch finds the function, and its check of graphs refuses it before it is called",
    ),
    trap("a size is an expression", _size),
    trap("a value's name is code", _named),
    Trap("pt2: its arguments' structure imports a module", "model", _import_trap, _with_folder),
    Trap("pt2: an archive of torch 2.7", "model", _old, load),
    Trap("pt2: a pickle of torch.save", "model", _plain_pickle, load_pickle),
    Trap("pt: a checkpoint", "model", _checkpoint, load_pickle),
)
