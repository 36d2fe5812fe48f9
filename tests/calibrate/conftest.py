import pytest

from qdebug.calibrate import passes


@pytest.fixture(params=["compiled", "torch"])
def path(request, monkeypatch):
    """Runs a test on the compiled kernels and on the torch path that serves where numba is missing."""
    if request.param == "compiled":
        pytest.importorskip("numba")
        assert passes.kernels is not None
    else:
        monkeypatch.setattr(passes, "kernels", None)
    return request.param
