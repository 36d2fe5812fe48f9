import pytest

from tests.quantize.paths import WITH_KERNELS, without_kernels


@pytest.fixture(params=["compiled", "torch"])
def path(request):
    """Runs a test on the compiled kernels and on the torch path that serves where numba is missing."""
    if request.param == "compiled":
        pytest.importorskip("numba")
        assert all(module.kernels is not None for module in WITH_KERNELS)
        yield request.param
    else:
        with without_kernels():
            yield request.param
