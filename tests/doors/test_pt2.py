"""What of an exported program is let through to torch's loader, and what is refused before it."""

from __future__ import annotations

import json
import zipfile

import pytest
import torch
from torch import nn

from qdebug.doors import read_pt2
from qdebug.doors.pt2_graph import Unsafe, checked
from qdebug.errors import FileError
from tests.networks import Attention, Residual, data_for, seeded


class Sized(nn.Module):
    """Its graph computes with sizes."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 4)
        self.register_buffer("wide", torch.ones(3, 4))

    def forward(self, x):
        half = x.shape[0] * 2 + 1
        return {"y": self.head(x.reshape(-1, 4)) * self.wide[0], "z": x.new_zeros(half)}


@pytest.mark.parametrize("kind", [Residual, Attention, Sized])
@pytest.mark.parametrize("is_dynamic", [True, False])
def test_what_was_saved_computes_the_same(kind, is_dynamic, tmp_path):
    module = kind().eval() if kind is Sized else seeded(kind)
    data = {"x": torch.randn(4, 4)} if kind is Sized else data_for(kind)
    name, value = next(iter((key, one[:4]) for key, one in data.items() if key not in ("labels", "group")))
    shapes = {name: {0: torch.export.Dim("batch", min=2, max=64)}} if is_dynamic else None
    exported = torch.export.export(module, (), kwargs={name: value}, dynamic_shapes=shapes)
    torch.export.save(exported, tmp_path / "net.pt2")
    with torch.no_grad():
        found, wanted = read_pt2(tmp_path / "net.pt2").module()(**{name: value}), module(**{name: value})
    for a, b in zip(torch.utils._pytree.tree_leaves(found), torch.utils._pytree.tree_leaves(wanted), strict=True):
        assert torch.equal(a, b)


@pytest.fixture
def archive(tmp_path):
    """Writes a good program with members changed; ``None`` leaves one out."""
    torch.export.save(torch.export.export(Sized().eval(), (torch.ones(4, 4),)), tmp_path / "good.pt2")
    with zipfile.ZipFile(tmp_path / "good.pt2") as good:
        members = {name.partition("/")[2]: good.read(name) for name in good.namelist()}

    def write(changes, root="model", kind=zipfile.ZIP_STORED):
        with zipfile.ZipFile(tmp_path / "bad.pt2", "w", kind) as bad:
            for name, content in {**members, **changes}.items():
                if content is not None:
                    bad.writestr(f"{root}/{name}" if root else name, content)
        return tmp_path / "bad.pt2"

    return write


WEIGHTS = "data/weights/model_weights_config.json"


def weights(**changes):
    meta = {"sizes": [{"as_int": 4}], **changes.pop("tensor_meta", {})}
    entry = {"path_name": "weight_0", "use_pickle": False, "is_param": True, "tensor_meta": meta, **changes}
    return {WEIGHTS: json.dumps({"config": {"head.bias": entry}})}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data/aotinductor/model/x.so": b"\x7fELF"}, "compiled code"),
        ({"data/weights/model.pt": b""}, "holds a pickle"),
        ({"data/constants/custom_obj_0": b""}, "holds a pickle"),
        ({"code/run.py": b""}, "compiled code"),
        ({"data/weights/weight_0/../../x": b""}, "no exported program has"),
        ({"models/other.json": b"{}"}, "no exported program has"),
        ({"models/model.json": None}, "it has no models/model.json"),
        ({"models/model.json": b"[" * 100_000}, "nested too deeply"),
        ({"models/model.json": b"{}"}, "does not describe"),
        (weights(use_pickle=True), "'head.bias' is stored as a pickle"),
        (weights(use_pickle=0), "'head.bias' is stored as a pickle"),
        (weights(path_name="../weight_0"), "where no tensor is"),
        (weights(path_name="weight_99"), "is missing"),
        (weights(tensor_meta={"sizes": [{"as_int": 2**40}]}), "1,099,511,627,776 values"),
        (weights(tensor_meta={"sizes": [{"as_expr": "x"}]}), "has no size"),
    ],
)
def test_members_that_are_refused(archive, changes, said):
    with pytest.raises(FileError, match=said) as caught:
        read_pt2(archive(changes))
    assert caught.value.do


def test_archives_that_two_readers_would_read_differently(archive, tmp_path):
    with pytest.raises(FileError, match="compressed"):
        read_pt2(archive({}, kind=zipfile.ZIP_DEFLATED))
    with pytest.raises(FileError, match="not in one folder"):
        read_pt2(archive({}, root=""))
    path = archive({})
    with zipfile.ZipFile(path, "a") as twice, pytest.warns(UserWarning, match="Duplicate"):
        twice.writestr("model/models/model.json", b"{}")
    with pytest.raises(FileError, match="there twice"):
        read_pt2(path)


def test_a_member_of_two_lengths(archive):
    path = archive({})
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    content[entry + 20 : entry + 24] = (2**32 - 16).to_bytes(4, "little")  # to be read in one go
    path.write_bytes(content)
    with pytest.raises(FileError, match="two things of how long it is"):
        read_pt2(path)


def test_a_member_whose_name_is_no_text(archive):
    path = archive({"data/weights/weight_ä": b""})
    path.write_bytes(path.read_bytes().replace("ä".encode(), b"\xaf\xaf"))
    with pytest.raises(FileError, match="damaged"):
        read_pt2(path)


def test_nothing_is_left_behind(archive, tmp_path, monkeypatch):
    import tempfile

    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    read_pt2(archive({}))
    with pytest.raises(FileError):
        read_pt2(archive({"data/weights/model.pt": b""}))
    assert list(place.iterdir()) == []


def model(**graph):
    return {"graph_module": {"graph": graph}, "guards_code": ["evil()"]}


@pytest.mark.parametrize(
    "expression",
    [
        "s0",
        "Symbol('s77', positive=True, integer=True)",
        "Mul(Integer(2), Symbol('s0'))",
        "4*s0 + 1",
        "(s0//2)*s1**2",
        "Eq(s0, 4)",
        "FloorDiv(s0 + 1, 2)",
        "Max(1, s0)",
        "-1 + s0",
        "Pow(Symbol('s0'), Integer(2))",
        "s0 <= 2**8",
    ],
)
def test_arithmetic_of_sizes_passes(expression):
    found = checked(model(sizes=[{"as_expr": {"expr_str": expression}}]))
    assert found["graph_module"]["graph"]["sizes"][0]["as_expr"]["expr_str"] == expression
    assert found["guards_code"] == []


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os')",
        "s0.__class__",
        "s0()",
        "evil(1)",
        "lambda: 0",
        "[s0]",
        "s0 if s0 else 1",
        "'text'",
        "x",
        "f''",
        "Symbol('s0', positive=evil)",
        "Symbol(evil)",
        "Max(*s0)",
        "Max(s0, key=1)",
        "9**9**9",
        "9**99",
        "Pow(9, s0)",
        "1e400",
        "PowByNatural(9, 9999)",
        "LShift(1, 99999)",
        "1" * 30,
        "(" * 3000,
        "s0 +" * 900 + "1",
        "s0; s1",
        "s0:=1",
        "",
        "1 +",
    ],
)
def test_other_expressions_do_not(expression):
    with pytest.raises(Unsafe, match="no arithmetic"):
        checked(model(sizes=[{"as_expr": {"expr_str": expression}}]))


@pytest.mark.parametrize(
    "graph",
    [
        {"nodes": [{"target": "torch.serialization.os.system"}]},
        {"nodes": [{"target": "torch.ops.aten.from_file.default"}]},
        {"nodes": [{"target": "torch.ops.aten.relu.__globals__"}]},
        {"nodes": [{"target": "torch.ops.image.write_file.default"}]},
        {"nodes": [{"target": "torch.ops.aten.relu.default\n"}]},
        {"nodes": [{"inputs": [{"arg": {"as_operator": "torch.os.system"}}]}]},
        {"nodes": [{"inputs": [{"arg": {"as_graph": {"graph": {"nodes": [{"target": "torch.load"}]}}}}]}]},
        {"inputs": [{"as_tensor": {"name": "x=evil()"}}]},
        {"inputs": [{"as_sym_int": {"as_name": "x y"}}]},
        {"inputs": [{"as_custom_obj": {"name": "x", "class_fqn": "x"}}]},
        {"tensor_values": {"x)": {}}},
        {"in_spec": json.dumps([1, {"type": "collections.defaultdict", "context": "[]", "children_spec": []}])},
        {"in_spec": json.dumps([1, {"type": "builtins.dict", "context": '{"__enum__": 1}', "children_spec": []}])},
        {"in_spec": json.dumps([1, {"type": "builtins.dict", "context": {"fqn": "os:x"}, "children_spec": []}])},
        {"specs": [{"parameter_name": 'a"b'}]},
        {"nodes": [{"metadata": {"nn_module_stack": "a\nb"}}]},
    ],
)
def test_graphs_that_would_run_something(graph):
    with pytest.raises(Unsafe):
        checked(model(**graph))


def test_notes_for_people_are_left_out():
    found = checked(model(nodes=[{"metadata": {"stack_trace": "a\nb", "custom": "{}", "torch_fn": "relu;relu"}}]))
    assert found["graph_module"]["graph"]["nodes"][0]["metadata"] == {"torch_fn": "relu;relu"}
