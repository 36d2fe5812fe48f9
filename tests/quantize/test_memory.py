"""Rounding a tensor in place needs at most 64 MB beside it, whatever its size."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

MOST = 64e6
NOTATIONS = [
    "int8",
    "int8-pc",
    "int4g128",
    "mxfp4",
    "nvfp4",
    "nf4",
    "fp8_e4m3fn-pc",
    "int4g32-stochastic",
    "int8-floor",
]

PROGRAM = """
import json, sys, torch
from qdebug.quantize import fake_quantize, weight_grid
from qdebug.recipes import parse_weight_format

def status(name):
    return next(1024 * int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

x = torch.randn(6144, 8192)
small = x[:64].clone()
found = {"tensor": x.nbytes}
for notation in sys.argv[1:]:
    plan = parse_weight_format(notation)
    how = {"rounding": plan.rounding, "seed": plan.seed}
    fake_quantize(small.clone(), weight_grid(small, plan), **how)  # compiled, loaded, warm
    grid = weight_grid(x, plan)
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
    before = status("VmRSS")
    fake_quantize(x, grid, x, **how)
    found[notation] = status("VmHWM") - before
print(json.dumps(found))
"""


def test_in_place_needs_little_beside_the_tensor():
    done = subprocess.run([sys.executable, "-c", PROGRAM, *NOTATIONS], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found.pop("tensor") > 3 * MOST  # so that a copy of it would be seen
    assert {name: extra for name, extra in found.items() if extra > MOST} == {}
