"""What qdebug keeps on a disk, each with the way that it is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.promises.wholeness.databases import databases
from benchmarks.promises.wholeness.phase import Phase
from qdebug.results import Exported

if TYPE_CHECKING:
    from qdebug.session import Session


def phases(aside: Path) -> list[Phase]:
    """All of them; opens the small model that some need.

    Args:
        aside: a folder for what they read.
    """
    import torch

    import qdebug

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    session = qdebug.open(net, torch.randn(24, 16))
    return [*_small(aside), *_exports(aside), *_reports(session), *databases(), *_workspace(session)]


def _small(aside: Path) -> list[Phase]:
    from qdebug.jobs import metrics, uploads
    from qdebug.recipes import preset, save

    def upload(folder: Path) -> None:
        os.environ["QDEBUG_UPLOADS"] = str(folder / "up")
        uploads.store([("a.onnx", b"a" * 70_000), ("b.npz", b"b" * 9_000)])

    source = aside / "metric.py"
    source.write_text("def score(outputs, targets):\n    return 1.0\n")

    def metric(folder: Path) -> None:
        os.environ["QDEBUG_WORKSPACE"] = str(folder)
        metrics.approve(f"{source}:score")

    return [
        Phase("recipe saved", lambda folder: save(preset("w4a8"), folder / "mine.yaml"),
              lambda folder: save(preset("w8a8"), folder / "mine.yaml")),
        Phase("upload stored", upload, units=("up/[0-9a-f]{64}/.*",)),
        Phase("metric of one's own copied", metric),
    ]  # fmt: skip


def _exports(aside: Path) -> list[Phase]:
    import torch
    from safetensors.torch import save_file

    from qdebug.export import json_document, save
    from qdebug.export.checkpoints import write_folder
    from qdebug.jobs.archives import packed

    original = aside / "original"
    original.mkdir()
    (original / "config.json").write_text('{"model_type": "llama"}')
    (original / "tokenizer.json").write_text("{}" * 3000)
    save_file({f"{one}.weight": torch.ones(32, 32) for one in "abc"}, original / "model.safetensors")
    codes = {"a.weight_packed": torch.zeros(32, 4, dtype=torch.int32), "a.weight_scale": torch.ones(32, 1)}

    def document(bits: int) -> Callable[[Path], object]:
        return lambda folder: save(json_document("a.json", {"bits": [bits] * 4000}), folder / "a.json")

    def checkpoint(folder: Path) -> Exported:
        written = write_folder(original, folder / "net-packed", codes, {"quant_method": "test"}, shard=6000)
        return Exported(path=str(written), bytes=1)

    return [
        Phase("settings exported", document(4), document(8)),
        Phase("model exported", _model(2.0, outside=False), _model(1.0, outside=False)),
        Phase("model exported, tensors beside it", _model(2.0, outside=True), _model(1.0, outside=True),
              leads="net.onnx"),
        Phase("folder exported", checkpoint),
        Phase("archive for the browser", _kept(lambda place: packed(checkpoint(place), place))),
    ]  # fmt: skip


def _model(value: float, *, outside: bool) -> Callable[[Path], object]:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    from qdebug.export.onnx.save import save

    def write(folder: Path) -> None:
        weight = numpy_helper.from_array(np.full((64, 64), value, np.float32), "w")
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 64]) for name in "xy"]
        graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weight])
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        save(proto, folder / "net.onnx", outside=outside)

    return write


def _kept(write: Callable[[Path], Exported]) -> Callable[[Path], object]:
    """What the browser takes home, under a name made of its content."""
    from qdebug.jobs import exports

    def keep(folder: Path) -> None:
        os.environ["QDEBUG_EXPORTS"] = str(folder / "ex")
        exports.kept("0" * 32, write)

    return keep


def _reports(session: Session) -> list[Phase]:
    from qdebug.report import gather, save
    from qdebug.report.files import write_files

    found = gather(session, "w4a8")
    return [
        Phase("report written", lambda folder: save(found, folder / "report.html"),
              lambda folder: (folder / "report.html").write_text("older")),
        Phase("report for the browser", _kept(lambda place: write_files(found, place))),
    ]  # fmt: skip


def _workspace(session: Session) -> list[Phase]:
    import torch

    from qdebug.engine import Rounded
    from qdebug.facade.place import Given, place
    from qdebug.session.kept import Finding, read, write

    weight = torch.randn(64, 64)
    finding = Finding({1: weight}, {2: weight[0].clone()}, {3: Rounded(weight, None)}, {})

    def kept(folder: Path) -> None:
        again = read(folder, b"key")
        assert again is None or torch.equal(again.tensors[1], weight), "a finding that is another's"

    def snapshot(folder: Path) -> None:
        os.environ["QDEBUG_WORKSPACE"] = str(folder)
        place(Given(torch.nn.Identity(), session.subject.data), session.subject)

    return [
        Phase("what a fix found kept", lambda folder: write(folder, b"key", finding), check=kept),
        Phase("workspace snapshot", snapshot, units=(r".*\.pt2", r".*/data\.npz")),
    ]
