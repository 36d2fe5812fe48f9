"""Small results to draw, made by hand: what a figure must show is known before it is drawn."""

from qdebug.results import (
    Agreement,
    ChannelRanges,
    CrestPair,
    CrestView,
    ErrorSplit,
    FormatComparison,
    FormatRow,
    Grid,
    Histogram,
    Latency,
    LayerDetail,
    LayerTime,
    Metric,
    OutputError,
    RealMetric,
    Score,
    Sensitivity,
    SensitivityRow,
    Share,
    Shares,
    Size,
    TensorView,
    Timing,
    Values,
    Verified,
    VerifiedTensor,
)  # fmt: skip


def error(format_="int8", **changes):
    values = {
        "format": format_, "sqnr_db": 20.0, "mse": 1.0, "clipping_mse": 0.25, "rounding_mse": 0.75,
        "clipping_rate": 0.02, "used_codes": 200, "codes": 256, "rmin": -2.0, "rmax": 2.0, "clip_min": -1.0,
        "clip_max": 1.0, "scale_min": 0.01, "scale_max": 0.01,
    }  # fmt: skip
    return ErrorSplit(**(values | changes))


def ranges(widths, outliers=(), ratio=1.0):
    return ChannelRanges(
        low=tuple(-one for one in widths), high=tuple(widths), outliers=tuple(outliers), widest_ratio=ratio
    )


def view(*, clip=(-1.0, 1.0), codes=5, dynamic=False, **changes):
    low, high = clip
    points = tuple(low + (high - low) * step / (codes - 1) for step in range(codes))
    return TensorView(
        histogram=Histogram(low=-2.0, high=2.0, counts=(1, 10, 40, 10), total=61, outliers=(-2.0,)),
        grid=Grid(points=points, clip_min=low, clip_max=high, scales=1),
        channels=ranges([1.0, 2.0]),
        error=error(clip_min=low, clip_max=high, **changes),
        dynamic=dynamic,
    )


def float_view(format_="fp16"):
    bare = error(format_, clipping_mse=0.0, clipping_rate=0.0, used_codes=0, codes=0, scale_min=0.0, scale_max=0.0)
    return TensorView(histogram=view().histogram, grid=None, channels=ranges([1.0]), error=bare)


def shares(**parts):
    rows = tuple(Share(name=name, isolated=part, share=part, metric=0.9) for name, part in parts.items())
    return Shares(recipe="r", rows=rows, n=10, seconds=0.1)


def score(quantized=0.9, *, float_=0.99, name="accuracy", higher=True, size=1000, ci=None):
    delta = quantized - float_
    metric = Metric(
        name=name, float_=float_, quantized=quantized, delta=delta, ci95=ci or (delta - 0.001, delta + 0.001),
        quantized_ci95=(quantized - 0.01, quantized + 0.01), flips=5, n=540, predictions=540, agreement=0.99,
        higher_is_better=higher,
    )  # fmt: skip
    bulk = Size(float_bytes=4000, quantized_bytes=size, bits_per_weight=8.0)
    return Score(recipe="r", metric=metric, size=bulk, exact=True, seconds=0.2)


def detail(shift=(0.1, -0.4, 0.0), mean_shift=0.2):
    return LayerDetail(
        name="a", op="conv 1×1", recipe="r", weight=view(), activation=None, shift=tuple(shift), text="",
        output=OutputError(sqnr_db=20.0, mean_shift=mean_shift),
    )  # fmt: skip


def row(notation, bits=4.5, sqnr_db=20.0, rotated_sqnr_db=None, format_=None):
    name = format_ or notation.split("-")[0].split("g")[0]
    return FormatRow(
        notation=notation, format=name, family="integer", bits=bits, sqnr_db=sqnr_db, rotated_sqnr_db=rotated_sqnr_db
    )


def comparison(*rows, limit=((0.0, 0.0), (4.0, 24.0), (8.0, 48.0)), rotation=64, crests=(), **changes):
    values = {"values": Values(layer="a"), "count": 100, "total": 100, "columns": 64, "seconds": 0.1}
    return FormatComparison(rows=rows, limit=limit, rotation=rotation, crests=crests, **(values | changes))


def crest_view(size=32, high=5.0, counts=(0, 3, 1, 0), gain_db=1.5, crossing=2.0, names=("mxint4", "mxfp4")):
    pair = CrestPair(integer=names[0], float_=names[1], crossing=crossing, below=0.25, gain_db=gain_db)
    return CrestView(size=size, low=1.0, high=high, counts=counts, median=2.5, pairs=(pair,))


def tensor(node, float_=0, fed=0, integer=0, *, kernel="QLinearConv", elements=1000, largest=1):
    def seen(differing):
        return Agreement(differing=differing, largest=largest if differing else 0)

    return VerifiedTensor(
        value=f"{node}/out", node=node, kernel=kernel, elements=elements, float_=seen(float_), fed=seen(fed),
        integer=seen(integer),
    )  # fmt: skip


def verified(*layers, **changes):
    """As a runtime would be found that counts as many codes as the layers have, all float readings differing."""
    elements = sum(one.elements for one in layers)
    differing = sum(one.float_.differing for one in layers)
    values = {
        "runtime": "onnxruntime", "version": "1.31", "model": "net", "recipe": "r", "opset": 20, "bytes": 326_000,
        "simulation": "float", "n": 540, "agreement": 1.0, "elements": elements,
        "max_code_difference": max((one.float_.largest for one in layers), default=0),
        "elements_differing": differing / elements if elements else 0.0,
        "first_divergent_layer": next((one.node for one in layers if one.float_.differing), None),
        "metric": RealMetric(name="accuracy", float_=0.996, simulated=0.989, real=0.987), "layers": layers,
        "kernels": {"QLinearConv": 2}, "float_layers": (), "seconds": 2.0,
    }  # fmt: skip
    return Verified(**(values | changes))


def latency(*layers, ratio=0.5, spread=0.02, **changes):
    def around(median):
        return Timing(median=median, low=0.9 * median, high=1.1 * median)

    values = {
        "runtime": "onnxruntime", "version": "1.31", "threads": 1, "batch": 16, "rounds": 40, "float_": around(1e-3),
        "quantized": around(ratio * 1e-3), "ratio": ratio, "ratio_low": ratio - spread, "ratio_high": ratio + spread,
        "layers": layers, "finding": "2.00 times as fast as float here.",
    }  # fmt: skip
    return Latency(**(values | changes))


def layer_time(name, float_, quantized, kernel="QLinearConv"):
    return LayerTime(name=name, kernel=kernel, float_=float_, quantized=quantized)


def sensitivity_row(layer, format_, predicted, exact=None, linear=None, refused=""):
    """Weights make three quarters of the prediction, inputs the rest."""
    parts = {} if predicted is None else {
        "predicted": predicted, "weight": 0.75 * predicted, "activation": 0.25 * predicted,
        "predicted_ci95": (0.9 * predicted, 1.1 * predicted),
    }  # fmt: skip
    return SensitivityRow(
        layer=layer, format=format_, exact=exact, linear=linear, refused=refused, seconds=0.5, **parts
    )


def sensitivity(*rows, mode="predict", measure="squared", n=10):
    return Sensitivity(
        model="net", digest="0" * 16, recipe="r", measure=measure, mode=mode,
        formats=tuple(dict.fromkeys(row.format for row in rows)), rows=rows, n=n, of=10, forward_seconds=0.5,
        seconds=4.0,
    )  # fmt: skip
