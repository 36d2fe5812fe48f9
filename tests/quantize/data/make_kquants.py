"""Regenerates ``kquants.npz``: seeded blocks and what ggml's C makes of them.

Run from the root of the repository, with ggml's quantizer as a shared library::

    cd llama.cpp/ggml/src
    gcc -std=gnu11 -O2 -ffp-contract=off -DNDEBUG -fPIC -shared -I. -I../include ggml-quants.c -o ggmlquants.so -lm
    python -m tests.quantize.data.make_kquants llama.cpp/ggml/src/ggmlquants.so

Without ``-ffp-contract=off`` a compiler may fuse multiplications and additions on machines that can, and then some
codes differ; x86-64 builds of llama.cpp leave that instruction set out of this file.
"""

import ctypes
import sys
from pathlib import Path

import numpy as np

from tests.quantize.blocks import families

COUNT = 9
BYTES = {"q4_K": 144, "q6_K": 210}


def quantized(library, name, x):
    packed = np.zeros((len(x), BYTES[name]), np.uint8)
    function = library[f"quantize_row_{name}_ref"]
    function.restype = None
    function(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(packed.ctypes.data), ctypes.c_int64(x.size))
    return packed


def main(path):
    library = ctypes.CDLL(path, mode=1)  # lazy: the rest of ggml, which is not there, is never called
    blocks = families(COUNT, seed=20)
    x = np.concatenate(list(blocks.values()))
    found = {name.lower(): quantized(library, name, x) for name in BYTES}
    np.savez_compressed(Path(__file__).with_name("kquants.npz"), x=x, family=np.repeat(list(blocks), COUNT), **found)


if __name__ == "__main__":
    main(sys.argv[1])
