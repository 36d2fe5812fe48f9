"""How a language model's texts are cut: windows as long, and tokens as many, as are asked for."""

import json
from pathlib import Path

import pytest
import torch

import qdebug
from qdebug.cli.app import chosen
from qdebug.cli.program import parse
from qdebug.doors.huggingface import Cut, open_checkpoint
from qdebug.errors import DataError, UsageError
from qdebug.facade.place import place
from qdebug.results import ModelRef
from tests.doors.huggingface import zoo


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zoo.save("gpt2", tmp_path_factory.mktemp("gpt2"))


@pytest.fixture
def story(tmp_path: Path) -> Path:
    file = tmp_path / "story.txt"
    file.write_text(zoo.STORY, "utf-8")
    return file


def shape(model: Path, story: Path, **cut: int) -> tuple[int, ...]:
    return open_checkpoint(model, Cut(**cut)).read(story)[0]["input_ids"].shape


def test_windows_are_as_long_and_as_many_as_asked(model: Path, story: Path) -> None:
    usual = shape(model, story)
    total = usual[0] * usual[1]
    assert shape(model, story, window=24)[1] == 24 != usual[1]
    assert shape(model, story, window=10, tokens=45) == (4, 10)
    few = shape(model, story, tokens=total // 2)
    assert few[0] * few[1] <= total // 2 < total and few[0] >= 4
    arrays, words = open_checkpoint(model, Cut(window=10, tokens=40)).read(story)
    assert "the first 4 of" in words and "windows of 10 tokens" in words
    assert (arrays["labels"][:, :-1] == arrays["input_ids"][:, 1:]).all()


def test_the_perplexity_is_that_of_these_windows(model: Path, story: Path) -> None:
    session = qdebug.open(model, data=story, window=20, tokens=100)
    ids, labels = session.subject.data.inputs["input_ids"], session.subject.data.labels
    assert labels is not None and tuple(ids.shape) == (5, 20)
    with torch.no_grad():
        logits = zoo.build("gpt2")(input_ids=ids).logits.double()
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    assert session.score("w32a32").metric.float_ == pytest.approx(float(loss.exp()), rel=1e-5)
    ref = place(session._given, session.subject)
    assert (ref.window, ref.tokens) == (20, 100)


@pytest.mark.parametrize(
    ("cut", "error", "says"),
    [
        ({"window": 10**6}, UsageError, r"A window of 1000000 tokens is longer than the model reads, which is \d+"),
        ({"window": 0}, UsageError, "window is 0"),
        ({"tokens": -1}, UsageError, "tokens is -1"),
        ({"window": True}, UsageError, "window is True"),
        ({"window": 20, "tokens": 19}, UsageError, "19 tokens are less than a window of 20"),
    ],
)
def test_what_cannot_be_cut_says_why(cut: dict[str, int], error: type, says: str, model: Path, story: Path) -> None:
    with pytest.raises(error, match=says):
        qdebug.open(model, data=story, **cut)


def test_a_window_that_the_text_does_not_fill_says_how_much_is_there(model: Path, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("a few words")
    with pytest.raises(DataError, match=r"The text has \d+ tokens, 31 are the least"):
        open_checkpoint(model, Cut(window=30)).read(tmp_path / "short.txt")


def test_data_that_are_not_cut_refuse_it(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for texts that a language model reads"):
        qdebug.open("digits-vit", window=64)
    classes = zoo.save("bert-classes", tmp_path / "classes")
    (tmp_path / "texts.txt").write_text(zoo.STORY)
    with pytest.raises(UsageError, match="for texts that a language model reads"):
        qdebug.open(classes, data=tmp_path / "texts.txt", tokens=64)


def test_the_command_line_and_the_app_take_them(model: Path, story: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from qdebug.cli import main

    assert main(["evaluate", str(model), "--data", str(story), "--window", "20", "--tokens", "80", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 4
    variables = chosen(parse(["app", "digits-vit", "--window", "2048", "--tokens", "4096"]))
    assert (variables["QDEBUG_WINDOW"], variables["QDEBUG_TOKENS"]) == ("2048", "4096")


def test_a_sweeps_workers_get_them() -> None:
    from qdebug.search.sweep.wire import located

    assert located(ModelRef(model="digits-vit", window=7, tokens=70)).window == 7
