"""Quantizes a small network with a ``quant_cfg`` file and tells what each quantizer became. Knows no qdebug.

Arguments: the file; a module and the name of a network class in it; the shape of an input, as JSON.
"""

import importlib
import json
import sys
import warnings

import torch

warnings.filterwarnings("ignore")
import modelopt.torch.quantization as mtq  # noqa: E402
from modelopt.torch.quantization.nn import TensorQuantizer  # noqa: E402


def config(path):
    """The file as ModelOpt wants it: JSON's keys are strings, and pairs of bits are tuples."""
    with open(path, encoding="utf-8") as file:
        value = json.load(file)
    for entry in value["quant_cfg"]:
        cfg = entry.get("cfg", {})
        if isinstance(cfg.get("num_bits"), list):
            cfg["num_bits"] = tuple(cfg["num_bits"])
        if "block_sizes" in cfg:
            sizes = {int(k) if k.lstrip("-").isdigit() else k: v for k, v in cfg["block_sizes"].items()}
            cfg["block_sizes"] = {k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}
    return value


def facts(module):
    """Everything that says how a quantizer rounds, and what it makes of a few numbers where it is per tensor."""
    told = {"enabled": module.is_enabled}
    if module.is_enabled:
        amax = module.amax
        told |= {
            "num_bits": module.num_bits,
            "axis": module.axis,
            "block_sizes": {str(k): v for k, v in (module.block_sizes or {}).items()},
            "amax": None if amax is None else amax.double().flatten().tolist(),
        }
        # Its block formats compute on a GPU alone.
        if amax is not None and amax.numel() == 1 and not module.block_sizes:
            told["of_line"] = module(torch.linspace(-6, 6, 601)).double().tolist()
    return told


if __name__ == "__main__":
    document, source, name, shape = sys.argv[1:]
    torch.manual_seed(0)
    model = getattr(importlib.import_module(source), name)().eval()
    x = torch.randn(json.loads(shape))
    model = mtq.quantize(model, config(document), lambda net: net(x))
    print(json.dumps({n: facts(m) for n, m in model.named_modules() if isinstance(m, TensorQuantizer)}))
