"""What is known of a model before anything is quantized."""

from __future__ import annotations

from typing import Literal

from qdebug.results.base import Result, path
from qdebug.results.sampling import SamplerCard


class ModelRef(Result, frozen=True, kw_only=True):
    """How to find a model and its data again; the value that the screens hold instead of a model.

    Attributes:
        model: a sample's name or a path on the machine's disk.
        data: path of the evaluation data (``.npz``), or None for the sample's own.
        calib: path of the calibration data, or None: the sample's own, or the first 256 samples of ``data``.
        train: path of data to train on, or None: the sample's own, or ``calib``.
        metric: what recipes are judged by: a metric's name, ``path/to/file.py:function``, or None for what fits.
        window: tokens of a window of a language model's texts; None for 512.
        tokens: how many of them are used at most; None for 32,768.
    """

    model: str
    data: str | None = None
    calib: str | None = None
    train: str | None = None
    metric: str | None = None
    window: int | None = None
    tokens: int | None = None


class TensorSpec(Result, frozen=True, kw_only=True):
    """A model input: its name, shape and dtype.

    None stands for a size that may vary. Where a model is described, the first size of an input with samples is None,
    whatever batch it takes; an input without axes, or whose first size is a number, is the same for every sample.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class LayerInfo(Result, frozen=True, kw_only=True):
    """A layer as the graph shows it.

    Attributes:
        name: module path or weight name.
        op: short operator name (``conv 3×3``, ``depthwise 3×3``, ``linear``, ``embedding``).
        kind: ``conv``, ``matmul`` or ``embedding``; embeddings have no activation and stay float by default.
        weight_shape: as stored.
        params: weights and biases, counted.
        macs: multiply-accumulates for one sample.
        out_channels, in_features: length of the weight's output axis; values that make one output.
        has_bias: whether the layer adds a bias.
        weight_name, input_name: names of the weight and of the activation in the graph; layers that share one have the
            same.
        weight_bits: bits of a stored weight in the model as it was opened.
        input_values, output_values: values of the activations read and written for one sample (of the indices, for an
            embedding); 0 where the layer was not reached.
        positions: tokens along the sequence axis of its output; 0 where it has none.
    """

    name: str
    op: str
    kind: Literal["conv", "matmul", "embedding"]
    weight_shape: tuple[int, ...]
    params: int
    macs: int
    out_channels: int
    in_features: int
    has_bias: bool
    weight_name: str = ""
    input_name: str = ""
    weight_bits: int = 32
    input_values: int = 0
    output_values: int = 0
    positions: int = 0


class AttentionInfo(Result, frozen=True, kw_only=True):
    """An attention as the graph shows it.

    Attributes:
        name: path of its module.
        keys, values: numbers that a cache holds of one token: channels of all heads, before heads are repeated.
        head: channels of one head of the keys, and of the values.
        fused: whether one operator does it all, so that scores and probabilities are no values of the graph.
    """

    name: str
    keys: int
    values: int
    head: tuple[int, int]
    fused: bool


class Pattern(Result, frozen=True, kw_only=True):
    """A place in the graph where a fix could apply.

    Attributes:
        kind: ``conv-act-conv`` (cross-layer equalization) or ``norm-linear`` (SmoothQuant).
        layers: the names along it, in the order of the data.
        refused: why the fix cannot apply here, or None where it can.
        first: how many of the layers write the values in between; the others read them.
    """

    kind: Literal["conv-act-conv", "norm-linear"]
    layers: tuple[str, ...]
    refused: str | None = None
    first: int = 1

    @property
    def path(self) -> str:
        """The layers as people read them: those that write → those that read."""
        return path(self.layers, self.first)


class ModelInfo(Result, frozen=True, kw_only=True):
    """An opened model with its data, in numbers and words.

    Attributes:
        name, title, story: what people read; title and story are empty where there is no card.
        digest: names graph and weights.
        source: where it came from, for instance ``sample`` or ``pt2``.
        task: ``classification``, ``language-model``, ``segmentation``, ``regression``, ``embedding`` or
            ``unlabelled``.
        inputs: the model's inputs.
        layers: in the order of the graph.
        patterns: where fixes could apply.
        params: all parameters.
        float_bytes: size of all parameters in the model's own dtype.
        n_eval, n_calib: samples.
        calibration: where the calibration data come from, in words.
        not_understood: operators with a weight that are no layers here, and the like.
        findings: what is odd in model or data before anything is quantized, such as a NaN in a weight.
        preset: what one looks at first.
        runs: whether all of it could be run; otherwise its layers can be looked at and nothing can be measured.
        own_recipe: of a file that was quantized already, the recipe in it, as JSON; what one looks at first.
        renamed: what nodes are called here whose name another node of the file has too.
        float_note: what "float" means where the weights in the file are rounded already, in a sentence; else empty.
        attentions: those that were understood, in the order of the graph.
        parted: what parts the evaluation data: ``group``, ``class`` where they name no groups, or nothing.
        sampler: how images are drawn from it, where it is a diffusion model that says so.
    """

    name: str
    title: str = ""
    story: str = ""
    digest: str
    source: str
    task: str
    inputs: tuple[TensorSpec, ...]
    layers: tuple[LayerInfo, ...]
    patterns: tuple[Pattern, ...]
    params: int
    float_bytes: int
    n_eval: int
    n_calib: int
    calibration: str
    not_understood: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    preset: str = "w8a8"
    runs: bool = True
    own_recipe: str = ""
    renamed: tuple[str, ...] = ()
    float_note: str = ""
    attentions: tuple[AttentionInfo, ...] = ()
    parted: Literal["", "group", "class"] = ""
    sampler: SamplerCard | None = None


class SampleCard(Result, frozen=True, kw_only=True):
    """A sample model's card; ``preset`` is the one at which its story is seen, ``sampler`` a diffusion model's."""

    name: str
    title: str
    task: str
    story: str
    planted: str
    source: str
    metric: str
    float_metric: float
    params: int
    preset: str
    sampler: SamplerCard | None = None
