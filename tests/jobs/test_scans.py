"""A scan by the compute process: the answer, the mistakes, and files that change."""

import msgspec
import pytest
import torch
from safetensors.torch import save_file

from qdebug.checkpoint import scan
from qdebug.errors import FileError
from qdebug.jobs import GetScan, connect


@pytest.fixture(scope="module")
def client(runtime_dir):
    client = connect(runtime_dir)
    yield client
    client.close()


def timeless(found):
    return msgspec.structs.replace(found, seconds=0.0)


def test_the_answer_is_the_scan(client, tmp_path):
    torch.manual_seed(0)
    save_file({"a": torch.randn(40, 50), "b": torch.full((3, 3), torch.inf)}, tmp_path / "w.safetensors")
    request = GetScan(path=str(tmp_path), formats=("int8-pc", "mxfp4"))
    assert timeless(client.get(request)) == timeless(scan(tmp_path, ("int8-pc", "mxfp4")))


def test_a_changed_file_is_looked_at_anew(client, tmp_path):
    request = GetScan(path=str(tmp_path), formats=())
    for name in ("first", "second"):
        save_file({name: torch.ones(len(name))}, tmp_path / "w.safetensors")
        assert [one.name for one in client.get(request).tensors] == [name]
    assert client.get(request).seconds == client.get(request).seconds  # kept, not looked at again


def test_a_mistake_crosses_as_it_is(client, tmp_path):
    with pytest.raises(FileError, match="no such file or folder"):
        client.get(GetScan(path=str(tmp_path / "none"), formats=()))
