"""A model that only its description exists of, for the parts of the screens that need no compute process."""

from qdebug.results import (
    ErrorSplit,
    LayerInfo,
    LayerReport,
    LayerTable,
    ModelInfo,
    OutputError,
    Share,
    Shares,
)  # fmt: skip


def layer(name, kind="conv", in_features=64):
    return LayerInfo(
        name=name, op="conv 1×1" if kind == "conv" else kind, kind=kind,
        weight_shape=(8, in_features), params=8 * in_features, macs=1, out_channels=8,
        in_features=in_features, has_bias=True,
    )  # fmt: skip


FOUR = (layer("a.dw", in_features=9), layer("a.pw"), layer("head", "matmul"), layer("tok", "embedding"))


def model(*layers, **changes):
    values = {
        "name": "net", "digest": "0" * 16, "source": "sample", "task": "classification", "inputs": (),
        "layers": layers or FOUR,
        "patterns": (), "params": 10, "float_bytes": 40, "n_eval": 5, "n_calib": 3, "calibration": "3 samples",
    }  # fmt: skip
    return ModelInfo(**(values | changes))


def split(label):
    return ErrorSplit(
        format=label, sqnr_db=20.0, mse=1.0, clipping_mse=0.0, rounding_mse=1.0, clipping_rate=0.0, used_codes=1,
        codes=2, rmin=0.0, rmax=1.0, clip_min=0.0, clip_max=1.0, scale_min=1.0, scale_max=1.0,
    )  # fmt: skip


def measured(**sqnr):
    rows = tuple(
        LayerReport(
            name=name, op="", weight=split("int8"), activation=None, output=OutputError(sqnr_db=value, mean_shift=0.0)
        )
        for name, value in sqnr.items()
    )
    return LayerTable(recipe="r", rows=rows, seconds=0.1)


def shares(**parts):
    rows = tuple(Share(name=name, isolated=part, share=part, metric=0.9) for name, part in parts.items())
    return Shares(recipe="r", rows=rows, n=5, seconds=0.1)
