"""A recipe on a Hugging Face folder is taken home as a folder: one archive, sent from the disk."""

import urllib.error
import urllib.request
import zipfile

import pytest

from benchmarks._screen import Screen, served
from qdebug.session import open as open_model
from tests.browser.test_looks import faults_of_access
from tests.doors.huggingface import zoo


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    found = tmp_path_factory.mktemp("llama")
    (found / "story.txt").write_text(zoo.STORY, "utf-8")
    zoo.save("llama", found / "tiny")
    return found


def test_a_folder_is_written_downloaded_and_opens_again(page, place, runtime_dir, tmp_path):
    given = {"QDEBUG_MODEL": str(place / "tiny"), "QDEBUG_DATA": str(place / "story.txt")}
    with served(tmp_path / "log", runtime_dir, **given) as address:
        screen = Screen(page, address)
        screen.go("export")
        page.get_by_role("combobox", name="Target").click()
        page.get_by_role("option", name="compressed-tensors: a checkpoint").click()
        screen.rest()
        assert "By its formats it can say all" in page.locator(".st-key-export-file").inner_text()
        page.get_by_role("button", name="Write the folder").click()
        link = page.get_by_role("link", name="Download tiny-compressed-tensors.zip")
        link.wait_for()
        for theme in ("dark", "light"):
            assert faults_of_access(screen.in_theme(theme).page) == []
        with page.expect_download() as taken:
            link.click()
        taken.value.save_as(tmp_path / "taken.zip")
        assert taken.value.suggested_filename == "tiny-compressed-tensors.zip"
        url = f"{address}{link.get_attribute('href')}"
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == (tmp_path / "taken.zip").read_bytes()
            assert answer.headers["Content-Length"] == str((tmp_path / "taken.zip").stat().st_size)
            assert answer.headers["Content-Disposition"].startswith("attachment")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}x")
        assert screen.overflow() <= 0
        assert screen.faults == []
    with zipfile.ZipFile(tmp_path / "taken.zip") as archive:
        archive.extractall(tmp_path)
    again = open_model(tmp_path / "tiny-compressed-tensors", place / "story.txt")
    assert again.own_recipe() is not None
    assert again.info().layers[0].name == "model.embed_tokens"
