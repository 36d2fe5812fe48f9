"""Traps built anew from parts: other protocols of pickles, other places, other names, other spellings."""

from __future__ import annotations

import io
import json
import pickle  # noqa: TID251 - to write what must not be read
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.promises.traps import files, folders, programs
from benchmarks.promises.traps.trap import Trap, expression, pickled, unpickled

Build = Callable[[random.Random], Trap]


def drawn(dice: random.Random) -> Trap:
    """One of them."""
    return dice.choice(_BUILDS)(dice)


def other_pickle(dice: random.Random) -> Callable[[Path], bytes]:
    """A pickle in some spelling: by protocols, by hand, or behind other values."""
    kind, protocol, ahead = dice.randrange(4), dice.randrange(6), dice.randrange(3)

    def make(mark: Path) -> bytes:
        text = str(mark).encode()
        spelled = {
            0: lambda: pickled(mark, protocol),
            1: lambda: b"cposix\nmkdir\n(S'" + text + b"'\ntR.",
            2: lambda: b"(S'" + text + b"'\niposix\nmkdir\n.",
            3: lambda: b"\x80\x04\x8c\x05posix\x8c\x05mkdir\x93\x8c" + bytes([len(text)]) + text + b"\x85R.",
        }[kind]()
        first = {0: b"", 1: b"]0", 2: b"}0"}[ahead]  # a value that is made and dropped
        return spelled[:2] + first + spelled[2:] if kind == 3 else first + spelled if kind in (1, 2) else spelled

    return make


def _in_torch(dice: random.Random, mark: Path, make: Callable[[Path], bytes]) -> bytes:
    """As torch.save has it: in an archive, of some name, or bare as old versions wrote it."""
    content = io.BytesIO()
    root = dice.choice(["archive", "a", "model"])
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{root}/data.pkl", make(mark))
        archive.writestr(f"{root}/version", "3\n")
    return content.getvalue()


def _slot(dice: random.Random) -> Trap:
    """A pickle somewhere in an exported program."""
    make = other_pickle(dice)
    state = dice.getstate()
    slot = dice.choice(["weight", "legacy", "constants", "samples", "opaque", "both"])
    ending = dice.choice([".pt2", ".PT2", ".Pt2"])

    def write(folder: Path, mark: Path) -> Path:
        own = random.Random()
        own.setstate(state)
        members = programs.entries()
        raw = _in_torch(own, mark, make)
        if slot == "weight":
            place = json.loads(members[programs.WEIGHTS])["config"]["head.weight"]["path_name"]
            members[f"data/weights/{place}"] = raw
            change = lambda found: found["config"]["head.weight"].update(use_pickle=True)  # noqa: E731
            members = programs.edited(members, programs.WEIGHTS, change)
        elif slot == "opaque":
            entry = {"path_name": "opaque_obj_1", "is_param": False, "use_pickle": True, "tensor_meta": None}
            members = programs.edited(members, programs.CONSTANTS, lambda found: found["config"].update(o=entry))
            members["data/constants/opaque_obj_1"] = make(mark)
        else:
            for name in {"legacy": ["weights"], "constants": ["constants"], "both": ["weights", "constants"]}.get(
                slot, []
            ):
                members[f"data/{name}/model.pt"] = raw
            if slot in ("samples", "both"):
                members[programs.SAMPLES] = raw
        return programs.written(folder, members, f"model{ending}")

    return Trap(f"pt2: a pickle as {slot} ({ending})", "model", write, _as_pt2)


def _as_pt2(path: Path) -> object:
    plain = path.with_name("renamed.pt2")
    plain.write_bytes(path.read_bytes())
    return programs.load(plain)


_FUNCTIONS = (
    "torch.serialization.os.mkdir",
    "torch.os.mkdir",
    "torch._utils.sys.modules",
    "torch.hub.os.mkdir",
    "torch.ops.aten.from_file.default",
    "torch.ops.load_library",
    "torch.classes.load_library",
    "torch.load",
    "torch.hub.load",
    "torch.ops.aten.__class__.mro",
    "torch.ops.debugprims.load_tensor.default",
    "_operator.methodcaller",
    "_operator.attrgetter",
    "math.__loader__.load_module",
    "torch.ops.prim.Print.default",
    "#torch.ops.x",
    "torch.ops.higher_order.triton_kernel_wrapper_mutation",
    "torch.utils.cpp_extension.load",
    "torch._C._jit_pass_inline",
    "builtins.exec",
    "torch.ops.aten.relu.default.__globals__",
)


def _function(dice: random.Random) -> Trap:
    """A node that calls something else than torch's operators."""
    target = dice.choice(_FUNCTIONS)

    def write(folder: Path, mark: Path) -> Path:
        change = programs.calls(target, str(mark))
        return programs.written(folder, programs.edited(programs.entries(), programs.MODEL, change))

    return Trap(f"pt2: a node calls {target}", "model", write, None, "torch's check of graphs refuses most of them")


def _sized(dice: random.Random) -> Trap:
    """Code where a size, a range or a guard is said."""
    spell = dice.choice(
        [
            lambda code: code,
            lambda code: f"({code} or 4)",
            lambda code: f"Max({code}, 4)",
            lambda code: f"[{code}][0]",
            lambda code: f"Symbol('s0', positive={code})",
            lambda code: f"(lambda: {code})()",
            lambda code: f"4 if {code} else 4",
            lambda code: f"4 +\n{code}",
            lambda code: f"Symbol(str({code}))",
        ]
    )
    where = dice.choice(["sizes", "strides", "range"])

    def write(folder: Path, mark: Path) -> Path:
        said = spell(expression(mark))

        def change(found: Any) -> None:
            if where == "range":
                found["range_constraints"] = {said: {"min_val": 0, "max_val": 9}}
                found["guards_code"] = [said]
            value = programs.graph(found)["tensor_values"]["x"]
            value["strides" if where == "strides" else "sizes"][1] = {"as_expr": {"expr_str": said, "hint": None}}

        return programs.written(folder, programs.edited(programs.entries(), programs.MODEL, change))

    return Trap(f"pt2: code as {where}", "model", write, programs.load)


def _called(dice: random.Random) -> Trap:
    """Code as the name of a value."""
    spell = dice.choice(
        [
            lambda code: f"x={code}",
            lambda code: f"x: ({code})=0",
            lambda code: f"x, y={code}",
            lambda code: f"x\n={code}",
            lambda code: f"x=[{code}][0]",
        ]
    )

    def write(folder: Path, mark: Path) -> Path:
        change = lambda found: programs.renamed("x", spell(expression(mark)), found)  # noqa: E731
        return programs.written(folder, programs.edited(programs.entries(), programs.MODEL, change))

    return Trap("pt2: code as a name", "model", write, programs.load)


def _array(dice: random.Random) -> Trap:
    """A pickle where arrays are."""
    make, bare, name = other_pickle(dice), dice.random() < 0.4, dice.choice(["data.npz", "data.npy", "data.NPZ"])
    descr = dice.choice(["|O", "O", [("a", "|O")]])

    def write(folder: Path, mark: Path) -> Path:
        import numpy as np

        if bare or name.endswith("npy"):
            (folder / name).write_bytes(make(mark))
            return folder / name
        content = io.BytesIO()
        np.lib.format.write_array_header_1_0(content, {"descr": descr, "fortran_order": False, "shape": (1,)})
        with zipfile.ZipFile(folder / name, "w", dice.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            archive.writestr("x.npy", content.getvalue() + make(mark))
        return folder / name

    return Trap("npz: a pickle", "data", write, files.load_arrays)


_TAGS = (
    "!!python/object/apply:os.mkdir ['{mark}']",
    "!!python/object/new:os.mkdir ['{mark}']",
    '!!python/object/apply:eval ["{code}"]',
    '!!python/object/apply:builtins.exec ["{code}"]',
    "!<tag:yaml.org,2002:python/object/apply:os.mkdir> ['{mark}']",
)


def _tag(dice: random.Random) -> Trap:
    """A tag of Python in a recipe, in some place."""
    tag, place = (
        dice.choice(_TAGS),
        dice.choice(["{}", "default: {}", "default:\n  weight: {}", "fixes:\n- {}", "? {}\n: 1"]),
    )
    ending = dice.choice(["yaml", "yml", "json"])

    def write(folder: Path, mark: Path) -> Path:
        path = folder / f"recipe.{ending}"
        path.write_text(place.format(tag.format(mark=mark, code=expression(mark))))
        return path

    return Trap("recipe: a tag of Python", "recipe", write, files.load_yaml)


_TEMPLATES = (
    "{{ cycler.__init__.__globals__.os.mkdir(MARK) }}",
    "{{ lipsum.__globals__['os'].mkdir(MARK) }}",
    "{{ joiner.__init__.__globals__.os.mkdir(MARK) }}",
    "{{ namespace.__init__.__globals__.os.mkdir(MARK) }}",
    "{% set g = lipsum.__globals__ %}{{ g.os.mkdir(MARK) }}",
    "{{ (cycler|attr('__init__')|attr('__globals__'))['os'].mkdir(MARK) }}",
    "{{ lipsum['__glo' ~ 'bals__']['os'].mkdir(MARK) }}",
    "{{ '{0.__globals__[os]}'.format(lipsum) }}{{ lipsum.__globals__.os.mkdir(MARK) }}",
)


def _template(dice: random.Random) -> Trap:
    """A chat template that looks for a way out of its sandbox."""
    template = dice.choice(_TEMPLATES)

    def write(folder: Path, mark: Path) -> Path:
        return folders.written(
            folder, folders.LLAMA, **folders.tokenizer(chat_template=template.replace("MARK", repr(str(mark))))
        )

    return Trap("hf: a chat template", "conversation", write, folders.render)


def _weights(dice: random.Random) -> Trap:
    """A pickle where a folder or a file has its weights."""
    make, lone = other_pickle(dice), dice.random() < 0.5

    def write(folder: Path, mark: Path) -> Path:
        if not lone:
            return folders.written(folder, folders.LLAMA, weights=make(mark))
        path = folder / dice.choice(["model.safetensors", "model.gguf"])
        path.write_bytes(make(mark))
        return path

    def load(path: Path) -> object:
        return unpickled((path / "model.safetensors" if path.is_dir() else path).read_bytes())

    return Trap("weights: a pickle", "checkpoint" if lone else "model", write, load)


_BUILDS: tuple[Build, ...] = (
    _slot,
    _slot,
    _function,
    _sized,
    _sized,
    _called,
    _array,
    _array,
    _tag,
    _template,
    _weights,
)
assert pickle.HIGHEST_PROTOCOL >= 5
