"""``qdebug report``: one file, whole or absent, and mistakes told before anything is measured."""

import json

import pytest


@pytest.fixture
def report(cli, toy):
    def run(*words):
        return cli("report", toy / "toy.pt2", "--data", toy / "toy.npz", *words)

    return run


def test_a_page_and_its_json_hold_the_same(report, tmp_path):
    page, data = tmp_path / "r.html", tmp_path / "r.json"
    status, out, err = report("--preset", "w4a8", "--fix", "cle", "--runtime", "none", "-o", page)
    assert status == 0, err
    assert out.startswith("toy.pt2: ")
    assert str(page) in out
    status, out, err = report("--preset", "w4a8", "--fix", "cle", "--runtime", "none", "-o", data, "--json")
    assert status == 0, err
    saved = json.loads(data.read_text("utf-8"))
    assert json.loads(out) == saved
    inside = json.loads(page.read_text("utf-8").split('id="report">')[1].split("</script>")[0])
    assert saved.keys() == inside.keys()
    timed = {"made", "seconds", "evaluation", "shares", "diagnosis", "mended"}  # these say how long they took
    for key in saved.keys() - timed:
        assert saved[key] == inside[key], key
    assert saved["mended"]["recipe"] == inside["mended"]["recipe"] != saved["diagnosis"]["recipe"]
    assert saved["evaluation"]["metric"] == inside["evaluation"]["metric"]
    assert [step["fix"] for step in saved["steps"]] == ["", "cle"]
    assert saved["unverified"] == "it was not asked for"
    assert {one["role"]: one["n"] for one in saved["data"]} == {"evaluation": 300, "calibration": 256}


def test_causes_can_be_left_out(report, tmp_path):
    assert report("--no-causes", "--runtime", "none", "-o", tmp_path / "r.json")[0] == 0
    saved = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert (saved["diagnosis"], saved["mended"]) == (None, None)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("r.pdf", "ends in .html or .json"),
        ("nowhere/r.html", "No file can be written there"),
        ("folder.html", "No file can be written there"),
    ],
)
def test_a_place_where_nothing_can_lie_is_refused_at_once(report, tmp_path, name, says):
    (tmp_path / "folder.html").mkdir()
    status, out, err = report("-o", tmp_path / name)
    assert (status, out) == (2, "")
    assert says in err
    assert "loading" not in err


def test_what_the_command_reads_is_not_written_over(cli, toy, tmp_path):
    data = tmp_path / "d.json"
    data.write_bytes((toy / "toy.npz").read_bytes())
    status, _, err = cli("report", toy / "toy.pt2", "--data", data, "-o", data)
    assert status == 2
    assert "overwrite" in err
    assert data.read_bytes() == (toy / "toy.npz").read_bytes()


def test_what_was_there_stays_where_the_new_file_cannot_be_finished(report, tmp_path, monkeypatch):
    page = tmp_path / "r.html"
    page.write_text("before")

    def full(self, content):
        with self.open("wb") as out:
            out.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    status, _, err = report("--no-causes", "--runtime", "none", "-o", page)
    assert status == 2
    assert "No space left on device" in err
    assert page.read_text() == "before"
    assert list(tmp_path.iterdir()) == [page]


def test_a_difference_between_recipes(report, tmp_path):
    page = tmp_path / "diff.html"
    status, out, err = report("--preset", "w8a8", "--against", "w3a8", "-o", page, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert (found["kind"], found["a"]["name"], found["b"]["name"]) == ("recipes", "w3a8", "w8a8")
    gap = found["comparison"]["difference"]
    assert gap["delta"] == pytest.approx(gap["b"] - gap["a"])
    assert len(found["flips"]["rows"]) == min(24, found["flips"]["total"])
    assert "B is" in page.read_text("utf-8")


def test_a_difference_between_versions(report, toy, tmp_path):
    data = tmp_path / "diff.json"
    status, out, err = report("--preset", "w4a8", "--against-model", toy / "toy.pt2", "-o", data)
    assert status == 0, err
    assert out.startswith("A toy.pt2, B toy.pt2: ")
    found = json.loads(data.read_text("utf-8"))
    assert (found["kind"], found["flips"]["total"], found["comparison"]["difference"]["changed"]) == ("models", 0, 0)


def test_a_slip_in_the_other_side_is_told_at_once(report, tmp_path):
    status, _, err = report("--against", "w8b8", "-o", tmp_path / "r.html")
    assert status == 2
    assert "is no side to compare" in err
    status, _, err = report("--against", "w8a8", "--against-model", "x.onnx", "-o", tmp_path / "r.html")
    assert status == 2
    assert list(tmp_path.iterdir()) == []
