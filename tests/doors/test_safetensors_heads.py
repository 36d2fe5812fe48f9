"""Headers of ``.safetensors`` files: what the library writes is read, what is wrong is one clear error."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from qdebug.doors.stored.safetensors import read_safetensors
from qdebug.errors import FileError
from tests.doors.stored_files import entry, safetensors

FOUR = np.zeros(4, np.float32).tobytes()


def test_places_are_where_the_library_finds_the_values(tmp_path):
    torch.manual_seed(0)
    stored = {
        "a": torch.randn(3, 5), "b": torch.randn(7).bfloat16(), "c": torch.randn(2, 2, 2).half(), "d": torch.arange(9),
        "e": torch.randn(8).to(torch.float8_e4m3fn), "f": torch.randn(8).to(torch.float8_e5m2), "g": torch.zeros(0, 4),
        "h": torch.tensor(1.5), "i": torch.tensor([True, False]), "j": torch.randn(3).double(),
    }  # fmt: skip
    file = tmp_path / "w.safetensors"
    save_file(stored, file, metadata={"format": "pt"})
    tensors, facts = read_safetensors(file)
    assert facts == {"format": "pt"}
    content = file.read_bytes()
    with safe_open(file, "pt") as library:
        assert {one.name for one in tensors} == set(library.keys())
        for one in tensors:
            part = library.get_slice(one.name)
            assert (one.shape, one.title) == (tuple(part.get_shape()), part.get_dtype())
            expected = stored[one.name].reshape(-1).view(torch.uint8).numpy().tobytes()
            assert content[one.start : one.start + one.nbytes] == expected
            assert one.count == stored[one.name].numel()


def test_a_type_nobody_knows_has_no_kind(tmp_path):
    file = tmp_path / "w.safetensors"
    file.write_bytes(safetensors({"a": entry([4], 0, 16, "F12"), "b": entry([4], 16, 32)}, FOUR + FOUR))
    (first, second), _ = read_safetensors(file)
    assert (first.kind, first.title, first.nbytes) == (None, "F12", 16)
    assert second.kind is not None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\1\2\3", "has 3 bytes"),
        (safetensors({"a": entry([4], 0, 16)}, FOUR, length=10**6), "1,000,000 bytes, more than the file"),
        (safetensors({"a": entry([4], 0, 16)}, FOUR, length=2**63), "more than the file"),
        (safetensors(b"[1, 2]"), "does not begin with"),
        (safetensors(b"{nothing}"), "not JSON"),
        (safetensors(b'{"\xff": 1}'), "not JSON"),
        (safetensors(b'{"a":' * 20000), "not JSON"),
        (safetensors({"a": 3}), "has no dtype"),
        (safetensors({"a": {"dtype": "F32", "shape": [4]}}), "has no dtype"),
        (safetensors({"a": entry([-4], 0, 16)}, FOUR), "impossible shape"),
        (safetensors({"a": entry([4.0], 0, 16)}, FOUR), "impossible shape"),
        (safetensors({"a": entry([4], 16, 0)}, FOUR), "impossible shape or place"),
        (safetensors({"a": entry([5], 0, 16)}, FOUR), "needs 20"),
        (safetensors({"a": entry([2**40, 2**40], 0, 16)}, FOUR), "needs"),
        (safetensors({"a": entry([4], 0, 16)}, FOUR[:-1]), "the file at byte"),
        (safetensors({"a": entry([4], 0, 16)}, FOUR + b"\0"), "the file at byte"),
        (safetensors({"a": entry([4], 0, 16), "b": entry([4], 12, 28)}, FOUR * 2), "overlap"),
        (safetensors({"a": entry([4], 0, 16), "b": entry([3], 20, 32)}, FOUR * 2), "hole"),
        (safetensors({"__metadata__": {"a": 1}, "b": entry([4], 0, 16)}, FOUR), "metadata"),
        (
            safetensors(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32"}}', FOUR),
            "'a' is named twice",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, said):
    file = tmp_path / "w.safetensors"
    file.write_bytes(content)
    with pytest.raises(FileError, match=said) as caught:
        read_safetensors(file)
    assert caught.value.where["file"] == str(file)
    assert caught.value.do


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        read_safetensors(tmp_path / "none.safetensors")
