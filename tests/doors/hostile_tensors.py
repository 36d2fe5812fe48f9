"""Hostile stored tensors, in the file and beside it: more of :data:`tests.doors.hostile_onnx.CASES`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper

from tests.doors.hostile_graphs import conditional, plain_branch
from tests.doors.hostile_onnx import CASES, good, models, node, stored, written

F, I64 = TensorProto.FLOAT, TensorProto.INT64


def tensor(**fields) -> Callable[[], ModelProto]:
    """A good model but for the tensor ``w``."""
    fields = {"name": "w", "data_type": F, "dims": [4, 4], **fields}
    return lambda: good(tensors=[TensorProto(**fields)])


models(
    one_byte_short=tensor(raw_data=bytes(63)),
    one_byte_long=tensor(raw_data=bytes(65)),
    no_data=tensor(),
    fewer_values=tensor(float_data=[0.0] * 15),
    more_values=tensor(float_data=[0.0] * 17),
    values_in_the_wrong_field=tensor(int32_data=[0] * 16),
    values_in_two_fields=tensor(float_data=[0.0] * 16, int32_data=[0] * 16),
    values_and_bytes=tensor(raw_data=bytes(64), float_data=[0.0] * 16),
    negative_size=tensor(dims=[-4, -4], raw_data=bytes(64)),
    sizes_that_overflow=tensor(dims=[2**62, 2**62, 16], raw_data=b""),
    sizes_that_overflow_to_zero=tensor(dims=[2**32, 2**32], raw_data=b""),
    sizes_of_an_empty_giant=tensor(dims=[0, 2**62], raw_data=b""),
    a_terabyte=tensor(dims=[2**38], raw_data=b"1234"),
    ten_thousand_axes=tensor(dims=[2**60] * 10_000, raw_data=b""),
    sixty_five_axes=tensor(dims=[1] * 65, raw_data=bytes(4)),
    no_type=tensor(data_type=0, raw_data=bytes(64)),
    unknown_type=tensor(data_type=999, raw_data=bytes(64)),
    negative_type=tensor(data_type=-1, raw_data=bytes(64)),
    texts=tensor(data_type=8, string_data=[b"a"] * 16),
    segments=tensor(raw_data=bytes(64), segment=TensorProto.Segment(begin=0, end=16)),
    half_a_byte_short=tensor(data_type=TensorProto.INT4, dims=[3], raw_data=bytes(1)),
)


# ------------------------------------------------------------------------------------------------------------- sparse


def sparse(places, dims=(4, 4), values=(1.0, 2.0), index_type=I64, index_dims=None) -> Callable[[], ModelProto]:
    def make() -> ModelProto:
        held = helper.make_tensor("w", F, [len(values)], values)
        where = np.asarray(places)
        indices = helper.make_tensor("i", index_type, index_dims or where.shape, where.reshape(-1).tolist())
        model = good(tensors=[])
        model.graph.sparse_initializer.append(helper.make_sparse_tensor(held, indices, list(dims)))
        return model

    return make


models(
    sparse_beyond_the_end=sparse([0, 16]),
    sparse_negative=sparse([-1, 3]),
    sparse_beyond_a_row=sparse([[0, 0], [1, 4]]),
    sparse_place_twice=sparse([3, 3]),
    sparse_descending=sparse([3, 2]),
    sparse_too_many_places=sparse([1, 2, 3]),
    sparse_places_of_another_rank=sparse([[1, 1, 1], [2, 2, 2]]),
    sparse_places_of_rank_three=sparse([[[1]], [[2]]]),
    sparse_places_of_floats=sparse([1.0, 2.0], index_type=F),
    sparse_negative_sizes=sparse([1, 2], dims=(-4, -4)),
    sparse_bomb=sparse([1, 2], dims=(2**20, 2**19)),
    sparse_sizes_that_overflow=sparse([1, 2], dims=(2**62, 4)),
    sparse_of_nothing=sparse([1, 2], dims=(0, 4)),
)


# ---------------------------------------------------------------------------------------------- beside the model


def outside(name="w", raw=None, **entries) -> TensorProto:
    made = TensorProto(name=name, data_type=F, dims=[4, 4], data_location=TensorProto.EXTERNAL)
    for key, text in raw or list(entries.items()):
        made.external_data.add(key=key, value=text)
    return made


def beside(prepare: Callable[[Path], object] = lambda folder: None, **entries) -> Callable[[Path], Path]:
    """A model whose ``w`` lies at the place given; a good data file is in the folder, and a secret outside it."""

    def make(folder: Path) -> Path:
        (folder / "data.bin").write_bytes(bytes(64))
        prepare(folder)
        texts = {key: text(folder) if callable(text) else text for key, text in entries.items()}
        return written(folder, good(tensors=[outside(**texts)]))

    return make


def secret(folder: Path) -> Path:
    """A file outside the model's folder (its folder's folder is the test's own)."""
    path = folder.parent / "secret.bin"
    path.write_bytes(bytes(64))
    return path


def in_a_linked_folder(folder: Path) -> None:
    (secret(folder).parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere" / "data.bin").write_bytes(bytes(64))
    (folder / "link").symlink_to(folder.parent / "elsewhere")


def around(folder: Path) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")


CASES.update(
    {
        f"external_{name}": make
        for name, make in {
            "absolute": beside(location=lambda folder: str(secret(folder))),
            "above": beside(secret, location="../secret.bin"),
            "above_in_the_middle": beside(secret, location="data.bin/../../secret.bin"),
            "above_with_backslash": beside(secret, location="..\\secret.bin"),
            "backslash": beside(location=".\\data.bin"),
            "drive": beside(location="C:data.bin"),
            "share": beside(location="//server/share/data.bin"),
            "device": beside(location="/dev/zero"),
            "process": beside(location="/proc/self/environ"),
            "address": beside(location="https://example.com/data.bin"),
            "home": beside(location="~/data.bin"),
            "no_location": beside(offset="0"),
            "empty_location": beside(location=""),
            "dot": beside(location="."),
            "nul": beside(location="data.bin\0"),
            "very_long": beside(location="d" * 100_000),
            "very_deep": beside(location="d/" * 3_000),
            "missing": beside(location="nowhere.bin"),
            "other_case": beside(location="DATA.BIN"),
            "through_a_file": beside(location="data.bin/x"),
            "folder": beside(lambda folder: (folder / "sub").mkdir(), location="sub"),
            "pipe": beside(lambda folder: os.mkfifo(folder / "pipe"), location="pipe"),
            "link_out": beside(lambda folder: (folder / "link").symlink_to(secret(folder)), location="link"),
            "link_within": beside(lambda folder: (folder / "link").symlink_to("data.bin"), location="link"),
            "link_in_a_circle": beside(around, location="a"),
            "linked_folder": beside(in_a_linked_folder, location="link/data.bin"),
            "link_to_a_device": beside(lambda folder: (folder / "link").symlink_to("/dev/zero"), location="link"),
            "empty_file": beside(lambda folder: (folder / "e").touch(), location="e"),
            "offset_beyond": beside(location="data.bin", offset="64"),
            "offset_by_one": beside(location="data.bin", offset="1"),
            "offset_negative": beside(location="data.bin", offset="-1"),
            "offset_huge": beside(location="data.bin", offset="9" * 18),
            "offset_beyond_64_bits": beside(location="data.bin", offset="9" * 40),
            "offset_float": beside(location="data.bin", offset="0.0"),
            "offset_hexadecimal": beside(location="data.bin", offset="0x0"),
            "offset_signed": beside(location="data.bin", offset="+0"),
            "offset_in_other_digits": beside(location="data.bin", offset="\u0660"),
            "offset_spaced": beside(location="data.bin", offset=" 0"),
            "offset_of_megabytes": beside(location="data.bin", offset="0" * 2_000_000),
            "length_short": beside(location="data.bin", length="63"),
            "length_long": beside(location="data.bin", length="65"),
            "length_negative": beside(location="data.bin", length="-64"),
            "length_huge": beside(location="data.bin", length="9" * 18),
            "twice": beside(raw=lambda folder: [("location", "data.bin"), ("location", str(secret(folder)))]),
        }.items()
    }
)


def elsewhere(make: Callable[[TensorProto], ModelProto]) -> Callable[[Path], Path]:
    """A model with a tensor outside its folder somewhere else than among its main graph's tensors."""

    def file(folder: Path) -> Path:
        secret(folder)
        return written(folder, make(outside("t", location="../secret.bin")))

    return file


def _sparse_outside(held: TensorProto) -> ModelProto:
    model = good(tensors=[])
    places = helper.make_tensor("i", I64, [2], [0, 1])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(held, places, [4, 4]))
    return model


CASES.update(
    {
        "external_in_a_constant": elsewhere(
            lambda held: good([node("Constant", [], ["c"], value=held), node("Add", ["x", "c"], ["y"])])
        ),
        "external_in_a_branch": elsewhere(lambda held: conditional(plain_branch(tensors=[held]))),
        "external_in_a_sparse_tensor": elsewhere(_sparse_outside),
        "external_in_an_unknown_operator": elsewhere(
            lambda held: good([node("Foo", ["x"], ["y"], domain="any", t=held)])
        ),
        "external_in_an_unused_tensor": elsewhere(lambda held: good(tensors=[stored("w", 4, 4), held])),
    }
)
