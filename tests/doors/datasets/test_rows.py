"""The rows of tables are data for models, as lines of text and folders of pictures are."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from qdebug.doors.datasets import open_table
from qdebug.doors.huggingface import open_checkpoint, rows
from qdebug.doors.huggingface.rows import read_rows
from qdebug.errors import DataError, FileError
from qdebug.session import open as open_model
from tests.doors.datasets.saved import IMAGE, MESSAGES, TEXT, classes, picture, save
from tests.doors.huggingface import zoo
from tests.networks import Residual, seeded

NUMBER = {"dtype": "int64", "_type": "Value"}


def test_texts_of_a_table_are_those_of_a_jsonl(tmp_path: Path) -> None:
    parts = zoo.STORY.strip().split("\n\n")
    table = save(tmp_path / "saved", {"text": parts}, {"text": TEXT}, shards=2)
    lines = tmp_path / "same.jsonl"
    lines.write_text("".join(json.dumps({"text": one}) + "\n" for one in parts))
    checkpoint = open_checkpoint(zoo.save("llama", tmp_path / "llama"))
    (one, words), (two, _) = checkpoint.read(table), checkpoint.read(lines)
    assert one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)
    assert words.startswith("saved, ") and "windows of" in words


def test_classes_go_by_the_models_names_where_it_has_them_and_else_by_number(tmp_path: Path) -> None:
    table = open_table(save(tmp_path / "a", {"text": ["a", "b", "c"], "label": [0, 1, -1], "group": ["x", "y", "y"]},
                            {"text": TEXT, "label": classes("bad", "good"), "group": TEXT}))  # fmt: skip
    assert [one.label for one in read_rows(table, classes={"good": 0, "bad": 1})] == ["bad", "good", None]
    assert [one.label for one in read_rows(table, classes={"LABEL_0": 0, "LABEL_1": 1})] == [0, 1, None]
    assert [one.group for one in read_rows(table)] == ["x", "y", "y"]


def test_a_classifier_is_scored_on_a_table(tmp_path: Path) -> None:
    folder = zoo.save("bert-classes", tmp_path / "model")
    labels = [0, 1, 2, 1]
    table = save(tmp_path / "saved", {"text": ["one", "two more", "three", "four"], "label": labels},
                 {"text": TEXT, "label": NUMBER})  # fmt: skip
    session = open_model(folder, table)
    assert session.subject.data.labels.tolist() == labels
    assert session.score("w8a8").metric.name == "accuracy"


def test_messages_leave_out_what_a_structure_holds_as_nothing(tmp_path: Path) -> None:
    said = [[{"role": "user", "content": "hi", "name": None}, {"role": "assistant", "content": "yo", "name": "b"}]]
    inner = {"role": TEXT, "content": TEXT, "name": TEXT}
    table = open_table(save(tmp_path / "a", {"messages": said}, {"messages": {"feature": inner, "_type": "List"}}))
    (found,) = read_rows(table)
    assert found.messages == ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo", "name": "b"})


def test_no_more_rows_are_read_than_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = open_table(save(tmp_path / "a", {"text": ["abcde"] * 50}, {"text": TEXT}))
    assert len(read_rows(table, 7)) == 7
    monkeypatch.setattr(rows, "CHARACTERS", 52)
    assert len(read_rows(table)) == 11


@pytest.mark.parametrize(
    ("columns", "features", "says"),
    [
        ({"sentence": ["a"]}, {"sentence": TEXT}, r"no column 'text'.*rename_column\('sentence', 'text'\)"),
        ({"text": [3]}, {"text": NUMBER}, "'text' holds int64, which is not read as text"),
        ({"messages": [["a"]]}, {"messages": {"feature": TEXT, "_type": "List"}}, "'messages' holds List"),
        ({"text": ["a", " "]}, {"text": TEXT}, r"A row's text is empty \(file .*, row 1\)"),
        ({"messages": [[]]}, {"messages": MESSAGES}, r"A row has no message \(file .*, row 0\)"),
        ({"text": ["a"], "label": [0.5]}, {"text": TEXT, "label": {"_type": "Audio"}}, "'label' holds Audio"),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_say_what_would(columns: dict, features: dict, says: str, tmp_path: Path) -> None:
    import pyarrow as pa

    given = {name: pa.array(values, pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))
             if values == [[]] else values for name, values in columns.items()}  # fmt: skip
    with pytest.raises(DataError, match=says):
        read_rows(open_table(save(tmp_path / "a", given, features)))


def test_a_text_that_is_too_long_is_named_by_its_row(tmp_path: Path) -> None:
    folder = zoo.save("bert-classes", tmp_path / "model")
    table = save(tmp_path / "a", {"text": ["a", "b " * 5000]}, {"text": TEXT})
    with pytest.raises(DataError, match="row 1"):
        open_checkpoint(folder).read(table)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "card.yaml").write_text(
        "size: [8, 8]\nmean: 0.5\nstd: 0.5\ninput: images\nclasses: [a, dog, cat, d, e]\n"
    )
    return tmp_path


def test_pictures_of_a_table_are_those_of_a_folder(net: Path) -> None:
    shown = [picture(seed) for seed in range(4)]
    table = save(
        net / "saved", {"image": shown, "label": [0, 1, 0, 1]}, {"image": IMAGE, "label": classes("cat", "dog")}
    )
    for at, one in enumerate(shown):
        folder = net / "val" / ("cat", "dog")[at % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{at}.png").write_bytes(one["bytes"])
    data = open_model(seeded(Residual), data=table).subject.data
    folder = open_model(seeded(Residual), data=net / "val").subject.data
    assert data.labels.tolist() == [2, 1, 2, 1] and folder.labels.tolist() == [2, 2, 1, 1]
    assert torch.equal(data.inputs["images"][[0, 2, 1, 3]], folder.inputs["images"])
    few = open_model(seeded(Residual), data=table, samples=3)
    assert len(few.subject.data) == 3


@pytest.mark.parametrize(
    ("image", "label", "error", "says"),
    [
        (
            {"bytes": None, "path": "/etc/passwd"},
            0,
            DataError,
            "only named by a path, '/etc/passwd'",
        ),
        ({"bytes": None, "path": None}, 0, DataError, r"There is no picture \(file .*row 1\)"),
        ({"bytes": b"no picture", "path": None}, 0, FileError, r"cannot be read: .*row 1\)"),
        (picture(3), -1, DataError, r"The label is -1 \(file .*row 1\)"),
        (picture(3), 2, DataError, "A label is 2.*The column names 2 classes"),
    ],
)
def test_rows_that_are_no_pictures_are_named(image: dict, label: int, error: type, says: str, net: Path) -> None:
    columns = {"image": [picture(1), image], "label": [0, label]}
    table = save(net / "saved", columns, {"image": IMAGE, "label": classes("cat", "dog")})
    with pytest.raises(error, match=says):
        open_model(seeded(Residual), data=table)


def test_an_image_classifier_reads_a_table_by_its_own_card_and_classes(tmp_path: Path) -> None:
    model = zoo.save("vit", tmp_path / "vit")
    plain = {"image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 32, "width": 32},
             "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": False}  # fmt: skip
    (model / "preprocessor_config.json").write_text(json.dumps(plain))
    config = json.loads((model / "config.json").read_text())
    config["id2label"] = {"0": "ant", "1": "bee", "2": "cat", "3": "dog", "4": "eel"}
    (model / "config.json").write_text(json.dumps(config))
    table = save(tmp_path / "saved", {"image": [picture(1), picture(2)], "label": [1, 0]},
                 {"image": IMAGE, "label": classes("bee", "dog")})  # fmt: skip
    arrays, _ = open_checkpoint(model).read(table)
    assert arrays["pixel_values"].shape == (2, 3, 32, 32) and arrays["labels"].tolist() == [3, 1]
    with pytest.raises(DataError, match="reads no pictures, and this is a table|no column 'text'"):
        open_checkpoint(zoo.save("llama", tmp_path / "llama")).read(table)


def test_a_class_that_the_model_does_not_have_and_no_pictures_at_all(net: Path) -> None:
    table = save(net / "one", {"img": [picture(1)], "label": [1]}, {"img": IMAGE, "label": classes("cat", "emu")})
    with pytest.raises(DataError, match="The class 'emu' is no class of the model"):
        open_model(seeded(Residual), data=table)
    table = save(net / "two", {"text": ["a"]}, {"text": TEXT})
    with pytest.raises(DataError, match="no column 'image', its columns are text"):
        open_model(seeded(Residual), data=table)


def test_a_table_is_not_opened_from_an_upload(net: Path) -> None:
    from qdebug.session.loading import from_npz

    with pytest.raises(FileError, match="A table is not opened from an upload"):
        from_npz(net / "some.parquet", lambda path: True)


def test_a_huge_picture_is_refused_before_it_is_decoded(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = save(net / "saved", {"image": [picture(1)]}, {"image": IMAGE})
    monkeypatch.setattr("qdebug.doors.images.PIXELS", 1000)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(FileError, match="The image has 32×40 pixels"):
        open_model(seeded(Residual), data=table)
