import pytest

from qdebug.quantize import ranges, rounding


@pytest.fixture(params=["compiled", "torch"])
def path(request, monkeypatch):
    """Runs a test on the compiled kernels and on the torch path that serves where numba is missing."""
    if request.param == "compiled":
        pytest.importorskip("numba")
        assert rounding.kernels is not None
        assert ranges.kernels is not None
    else:
        monkeypatch.setattr(rounding, "kernels", None)
        monkeypatch.setattr(ranges, "kernels", None)
    return request.param
