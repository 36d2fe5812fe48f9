"""``qdebug groups`` and ``qdebug sample``: the same in text, in JSON and as a picture."""

import json

import pytest

WAYS = ["all", "uniform", "only 0", "only 1", "only 2", "only 4", "chosen"]


def test_groups_in_text_and_json(cli, toy):
    asked = ("groups", toy / "toy.pt2", "--data", toy / "toy.npz", "--preset", "w4a4", "--take", "0=1,1=1")
    status, out, err = cli(*asked)
    assert status == 0, err
    assert "more than chance explains" in out
    assert "between classes" in out
    assert "class 1 alone" in out
    assert "2 chosen" in out
    found = json.loads(cli(*asked, "--json")[1])
    assert found["ranges"]["key"] == "class"
    assert [way["name"] for way in found["calibration"]["ways"]] == WAYS
    assert len(found["metric"]["rows"]) == len(found["ranges"]["groups"]) == 4


def test_data_without_groups_say_so(cli, toy, tmp_path):
    import numpy as np

    with np.load(toy / "toy.npz") as data:
        np.savez(tmp_path / "plain.npz", images=data["images"][:8])
    status, out, err = cli("groups", toy / "toy.pt2", "--data", tmp_path / "plain.npz")
    assert status == 0, err
    assert "The data name no groups: add an array 'group'" in out


@pytest.mark.parametrize("take", ["5", "=3", "a=x", "a=-1", "0=1,,1=1"])
def test_a_choice_that_cannot_be_read_is_one_line(cli, take):
    status, _, err = cli("groups", "digits-ddpm", "--take", take)
    assert status == 2
    assert "--take cannot read" in err


def test_images_are_drawn_and_written(cli, tmp_path):
    asked = ("sample", "digits-ddpm", "--images", "2", "--steps", "3", "--preset", "w8a4")
    status, out, err = cli(*asked, "-o", tmp_path / "two.png")
    assert status == 0, err
    assert "From the same noise the images end" in out
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(cli(*asked, "--json")[1])
    assert [step["timestep"] for step in found["steps"]] == [100, 50, 1]
    assert len(found["distances"]) == 2
    assert "quantized" not in found


def test_a_model_without_a_sampler_is_a_mistake(cli):
    status, _, err = cli("sample", "digits-resnet")
    assert status == 2
    assert "says nothing of how images are drawn" in err
