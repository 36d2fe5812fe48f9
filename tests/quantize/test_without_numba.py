"""numba is an accelerator: without it the rooms import and compute the same."""

import contextlib
import io
import subprocess
import sys

SCRIPT = """
import sys
sys.modules["numba"] = None
import torch
from qdebug.calibrate import Observer, choose_range
from qdebug.measure import OutputAccumulator, error_split
from qdebug.methods.gptq import gptq
from qdebug.quantize import quantize_weight, weight_grid
from qdebug.quantize.ggml.gguf import encode
from qdebug.recipes import TensorPlan
w = torch.linspace(-1, 1, 24).view(4, 6)
groups = [TensorPlan("int4", "group", 4, range=method) for method in ("mse", "octav")]
for plan in (TensorPlan("int4"), *groups):
    wq, qparams = quantize_weight(w, plan)
    split = error_split(w, wq, qparams, plan)
observer = Observer(1)
observer.update(w)
for name in ("q4_k", "q6_k"):
    assert encode(torch.linspace(-1, 1, 256).view(1, 256), name).codes.unique().numel() > 15
rounded, _ = gptq(w, torch.eye(6).double(), weight_grid(w, TensorPlan("int4")))
assert torch.equal(rounded, quantize_weight(w, TensorPlan("int4"))[0])
output = OutputAccumulator(1)
output.add(w, wq)
assert split.mse > 0 and output.sqnr_db > 0
for method in ("mse", "entropy", "aciq_laplace", "aciq_gauss", "octav"):
    choose_range(observer.stats(), TensorPlan("int4", symmetric=False, range=method))
print(choose_range(observer.stats(), TensorPlan("int8")))
"""


def test_everything_works():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == "(-1.0, 1.0)\n"


FORMATS = """
import hashlib, torch
from qdebug.formats import FORMATS
from qdebug.quantize import quantize_weight
from qdebug.recipes import TensorPlan
w = torch.randn(4, 256, generator=torch.Generator().manual_seed(5))
for name in FORMATS:
    if not name.startswith(("int", "uint", "vq")):
        values = quantize_weight(w, TensorPlan(name))[0]
        print(name, hashlib.sha256(values.numpy().tobytes()).hexdigest())
"""


def test_every_format_writes_the_same_bytes():
    """All of them where numba cannot be imported, codebooks' exact search and K-quants included."""
    plain = subprocess.run(
        [sys.executable, "-c", 'import sys\nsys.modules["numba"] = None' + FORMATS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.stderr == ""
    compiled = io.StringIO()
    with contextlib.redirect_stdout(compiled):
        exec(FORMATS, {})
    assert plain.stdout == compiled.getvalue()
    assert plain.stdout.count("\n") > 40
