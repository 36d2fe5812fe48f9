"""A name of the hub is looked for where nothing on the disk has it; code and pickles are not fetched."""

import fnmatch

import huggingface_hub
import pytest

from qdebug.doors.huggingface import is_name
from qdebug.doors.huggingface.hub import WANTED
from qdebug.errors import FileError
from qdebug.session import inspect as inspect_model
from tests.doors.huggingface import zoo


@pytest.mark.parametrize("name", ["owner/model", "HuggingFaceTB/SmolLM-135M", "a/b.c_d"])
def test_names(name):
    assert is_name(name)


@pytest.mark.parametrize("name", ["model", "/a/b", "./a/b", "a/b/c", "../a", "a/..", "a/b.onnx", "a/b.pt2", "~/a", ""])
def test_what_is_no_name(name):
    assert not is_name(name)


def test_what_is_on_the_disk_is_no_name(tmp_path, monkeypatch):
    (tmp_path / "owner" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not is_name("owner/model")


def test_the_hub_s_folder_is_opened(tmp_path, monkeypatch):
    asked = []

    def given(name, *, allow_patterns):
        asked.append((name, allow_patterns))
        return str(zoo.save("opt", tmp_path))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", given)
    assert inspect_model("owner/opt-small").source == "huggingface"
    assert asked == [("owner/opt-small", list(WANTED))]


@pytest.mark.parametrize(
    "name", ["modeling_own.py", "pytorch_model.bin", "model.pt", "model.pkl", "flax_model.msgpack"]
)
def test_no_code_and_no_pickle_is_fetched(name):
    assert not any(fnmatch.fnmatch(name, pattern) for pattern in WANTED)


def test_without_a_network_it_says_so(monkeypatch):
    def failing(name, *, allow_patterns):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", failing)
    with pytest.raises(FileError, match=r"the hub did not give it: no route to host \(file owner/none\)"):
        inspect_model("owner/none")
