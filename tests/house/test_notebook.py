"""The notebook in the documents: its cells run in order, and each one's last line shows something."""

import ast
import json
from pathlib import Path

import plotly.graph_objects as go
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = json.loads((ROOT / "docs" / "notebook.ipynb").read_text("utf-8"))
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def run(source, names):
    """Run a cell; what its last line is, if that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder, names = tmp_path_factory.mktemp("notebook"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        values = [run(source, names) for source in CODE]
    assert (folder / "report.html").stat().st_size > 1_000_000
    return values


def test_it_is_a_notebook_that_holds_no_output():
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    assert all(cell["outputs"] == [] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code")


def test_every_cell_shows_what_it_found(shown):
    pages = [
        value._repr_html_() for value in shown if hasattr(value, "_repr_html_") and not isinstance(value, go.Figure)
    ]
    figures = [value for value in shown if isinstance(value, go.Figure)]
    assert len(pages) + len(figures) + 1 == len(shown)  # the last is a list of names
    assert all("<table" in page for page in pages)
    assert all(figure.layout.title.text for figure in figures)
    assert "shares" in shown[-1]


def test_it_names_what_it_shows_by_the_words_of_the_app(shown):
    first, evaluation, *_ = shown
    assert "540 samples" in first._repr_html_()
    assert "accuracy" in repr(evaluation)
