"""A file written a tensor at a time is what the official library reads, and as strict a reader as ours."""

import torch
from safetensors import safe_open

from qdebug.doors.stored.safetensors import read_safetensors
from qdebug.graph.filed import FiledTensor
from qdebug.session.streaming import streamed


def test_the_official_library_reads_what_was_written(tmp_path):
    dice = torch.Generator().manual_seed(1)
    weight = torch.randn(33, 5, generator=dice)
    tensors = {
        "half": torch.randn(3, generator=dice).bfloat16(), "filed": FiledTensor(weight.shape, weight.clone),
        "codes": torch.randint(-8, 8, (7, 3), dtype=torch.int8), "turned": torch.randn(4, 6, generator=dice).T,
        "wide": torch.randn(2, generator=dice).double(), "one": torch.tensor(3.0), "flags": torch.tensor([True, False]),
    }  # fmt: skip
    file = tmp_path / "found.safetensors"
    file.write_bytes(b"".join(bytes(piece) for piece in streamed(tensors, {"finding": '[1, "ä"]'})))
    with safe_open(file, framework="pt") as read:
        assert read.metadata() == {"finding": '[1, "ä"]'}
        for name, tensor in tensors.items():
            assert torch.equal(read.get_tensor(name), weight if name == "filed" else tensor), name
    stored, _ = read_safetensors(file)
    assert {one.name for one in stored} == set(tensors)
    assert all(one.start % {"F64": 8, "F32": 4, "BF16": 2}.get(one.title, 1) == 0 for one in stored)
