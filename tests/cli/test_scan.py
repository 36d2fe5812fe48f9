"""``qdebug scan``: the tables, JSON, sorting, and mistakes in one line."""

import json

import pytest
import torch
from safetensors.torch import save_file

from qdebug.checkpoint import scan


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    stored = {
        "layers.0.weight": torch.randn(32, 64), "layers.1.weight": (torch.randn(48, 64) * 9).bfloat16(),
        "norm.weight": torch.ones(64), "broken": torch.full((2, 32), torch.nan),
    }  # fmt: skip
    stored["layers.1.weight"][3, 3] = 4000
    save_file(stored, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def names(out):
    lines = out.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("tensor ")) + 2
    end = lines.index("", start) if "" in lines[start:] else len(lines)
    return [line.split()[0] for line in lines[start:end]]


def test_the_tables(cli, file):
    status, out, _ = cli("scan", file, "--formats", "int8-pc,int4g32")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == str(file)
    assert lines[1].startswith("safetensors, 1 file, 4 tensors, 5,248 weights, ")
    assert "broken holds NaN or Inf: 64 NaN and 0 infinite values." in lines
    header = next(line for line in lines if line.startswith("tensor "))
    assert header.split()[-3:] == ["zeros", "int8-pc", "int4g32"]
    row = next(line for line in lines if line.startswith("layers.0.weight")).split()
    assert row[1:4] == ["32×64", "F32", "8.19"]
    added = scan(file, "int8-pc,int4g32").tensors
    one = next(tensor for tensor in added if tensor.name == "layers.0.weight")
    assert row[-2:] == [f"{error.sqnr_db:.1f}" for error in one.added]
    assert next(line for line in lines if line.startswith("norm.weight")).split()[-2:] == ["–", "–"]
    assert lines[-2].split()[0] == "int8-pc"


def test_json_is_the_value(cli, file):
    status, out, _ = cli("scan", file, "--formats", "nf4", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["formats"] == ["nf4"]
    expected = scan(file, "nf4")
    assert [one["name"] for one in found["tensors"]] == [one.name for one in expected.tensors]
    assert found["totals"][0]["relative"] == expected.totals[0].relative
    first = next(one for one in found["tensors"] if one["name"] == "layers.0.weight")
    assert sum(first["stats"]["above"]) + sum(first["stats"]["below"]) == 32 * 64


@pytest.mark.parametrize(
    ("column", "first"),
    [("crest", "layers.1.weight"), ("name", "broken"), ("size", "layers.0.weight"), ("odd", "broken"),
     ("absmax", "layers.1.weight"), ("int4g32", "layers.0.weight")],
)  # fmt: skip
def test_sorting(cli, file, column, first):
    status, out, _ = cli("scan", file, "--formats", "int4g32", "--sort", column)
    assert status == 0
    assert names(out)[0] == first
    assert len(names(out)) == 4


def test_only_the_first(cli, file):
    _, out, _ = cli("scan", file, "--formats", "none", "--sort", "crest", "--top", 1)
    assert names(out) == ["layers.1.weight", "…"]
    assert "… and 3 more tensors" in out
    assert "SQNR" not in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("nowhere.gguf",), "no such file or folder (file nowhere.gguf)"),
        (("FILE", "--formats", "int5x"), "Unknown number format 'int5x'"),
        (("FILE", "--formats", "kmeans4"), "needs a whole tensor at once"),
        (("FILE", "--sort", "crst"), "There is no column 'crst' to sort by. Did you mean crest"),
        (("FILE", "--top", "-1"), "--top -1 makes no sense"),
    ],
)
def test_mistakes_are_one_line(cli, file, options, said):
    status, out, err = cli("scan", *(file if option == "FILE" else option for option in options))
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_damaged_file_is_one_line(cli, file):
    file.write_bytes(file.read_bytes()[:-5])
    status, out, err = cli("scan", file)
    assert (status, out) == (2, "")
    assert "damaged" in err
