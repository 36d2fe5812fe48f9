"""Stored tensors are read when they are asked for, whole or by rows, in every type that float32 holds."""

import pytest
import torch
from safetensors.torch import save_file

from qdebug.doors.stored import find_checkpoint
from qdebug.doors.stored.filing import filed
from qdebug.errors import FileError


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_values_and_rows_are_those_of_the_file(dtype, tmp_path):
    given = {"one": torch.randn(7, 3, 2).to(dtype), "two": torch.randn(5).to(dtype)}
    save_file(given, tmp_path / "model.safetensors")
    stored = {one.name: filed(one) for one in find_checkpoint(tmp_path).tensors}
    for name, values in given.items():
        assert torch.equal(stored[name].read(), values.float())
    rows = torch.tensor([6, 0, 3])
    assert torch.equal(stored["one"].read_rows(rows), given["one"][rows].float())


def test_a_file_that_has_become_shorter_is_one_error(tmp_path):
    file = tmp_path / "model.safetensors"
    save_file({"one": torch.randn(64, 64)}, file)
    one = filed(find_checkpoint(file).tensors[0])
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(
        FileError, match=r"has become shorter while it was read \(file .*model.safetensors, tensor one\)"
    ):
        _ = one + 1


def test_a_file_that_has_gone_is_one_error(tmp_path):
    file = tmp_path / "model.safetensors"
    save_file({"one": torch.randn(64, 64)}, file)
    one = filed(find_checkpoint(file).tensors[0])
    file.unlink()
    with pytest.raises(FileError, match="cannot be read: No such file"):
        _ = one + 1
