import pytest

from qdebug.measure import output, split


@pytest.fixture(params=["compiled", "torch"])
def path(request, monkeypatch):
    """Runs a test on the compiled kernels and on the torch path that serves where numba is missing."""
    if request.param == "compiled":
        pytest.importorskip("numba")
        assert split.kernels is not None
    else:
        monkeypatch.setattr(split, "kernels", None)
        monkeypatch.setattr(output, "kernels", None)
    return request.param
