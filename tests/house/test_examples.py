"""The Python that the documents show does what they say: it runs as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.networks import Residual, data_for, seeded

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
PAGES = ["README.md", "docs/sensitivity.md", "docs/formats.md", "docs/targets.md", "docs/report.md", "docs/python.md"]


def example(page):
    """The page's first Python, which needs nothing from before."""
    return BLOCK.findall((ROOT / page).read_text("utf-8"))[0]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the files that examples name, and no browser to point anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webbrowser.open", lambda url: None)
    data = data_for(Residual, 32)
    np.savez("data.npz", **data)
    images = torch.as_tensor(data["images"][:2])
    torch.onnx.export(seeded(Residual), (images,), "model.onnx", input_names=["images"], dynamo=True, verbose=False,
                      dynamic_shapes=({0: torch.export.Dim("batch")},))  # fmt: skip
    return tmp_path


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("page", PAGES)
def test_the_first_example_of_a_page_runs(page, here):
    names = {}
    try:
        exec(compile(example(page), page, "exec"), names)
        assert "session" in names
    finally:
        if "served" in names:
            assert names["served"].is_running
            names["served"].stop()
