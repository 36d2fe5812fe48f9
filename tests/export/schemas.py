"""What each file may hold, to the letter: an unknown or missing key is an error. After the tools' own definitions."""

import json
from typing import Literal

import msgspec
import yaml


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """No key that is not listed."""


class Override(Strict):
    quant_type: Literal["QInt4", "QUInt4", "QInt8", "QUInt8", "QInt16", "QUInt16"]
    scale: float
    zero_point: int
    axis: int | msgspec.UnsetType = msgspec.UNSET


class ExtraOptions(Strict):
    ActivationSymmetric: bool
    WeightSymmetric: bool
    QuantizeBias: bool
    OpTypesToExcludeOutputQuantization: list[str]
    QDQDisableWeightAdjustForInt32Bias: bool
    TensorQuantOverrides: dict[str, list[Override]]


class QuantizeStatic(Strict):
    quant_format: Literal["QDQ"]
    activation_type: str
    weight_type: str
    per_channel: bool
    reduce_range: bool
    calibrate_method: Literal["MinMax"]
    op_types_to_quantize: list[str]
    nodes_to_quantize: list[str]
    nodes_to_exclude: list[str]
    extra_options: ExtraOptions


class OnnxRuntime(Strict):
    quantize_static: QuantizeStatic


class QuantizationParameters(Strict):
    num_bits: int
    mode: Literal["symmetric", "asymmetric"]
    per_channel: bool


class Collector(Strict):
    statistics_type: Literal["min", "max", "quantile"]
    aggregator_type: Literal["min", "max", "mean"]
    quantile_outlier_prob: float | msgspec.UnsetType = msgspec.UNSET


class Estimator(Strict):
    min: Collector
    max: Collector


class Advanced(Strict):
    overflow_fix: Literal["disable"]
    disable_bias_correction: bool
    disable_channel_alignment: bool
    activations_quantization_params: QuantizationParameters
    weights_quantization_params: QuantizationParameters
    activations_range_estimator_params: Estimator
    weights_range_estimator_params: Estimator
    smooth_quant_alphas: dict[Literal["convolution", "matmul"], float]


class NncfQuantize(Strict):
    preset: Literal["performance", "mixed"]
    fast_bias_correction: bool
    advanced_parameters: Advanced


class IgnoredScope(Strict):
    patterns: list[str]
    validate: bool


class Nncf(Strict):
    quantize: NncfQuantize
    ignored_scope: IgnoredScope


class TensorRT(Strict):
    layer_precisions: dict[str, Literal["int8", "fp32", "fp16", "bf16"]]
    trtexec: list[str]


class Encoding1(Strict):
    name: str
    enc_type: Literal["PER_TENSOR", "PER_CHANNEL", "PER_BLOCK"]
    dtype: Literal["INT", "FLOAT"]
    bw: int
    is_sym: bool | msgspec.UnsetType = msgspec.UNSET
    scale: list[float] | msgspec.UnsetType = msgspec.UNSET
    offset: list[int] | msgspec.UnsetType = msgspec.UNSET
    block_size: int | msgspec.UnsetType = msgspec.UNSET


class QuantizerArgs(Strict):
    activation_bitwidth: int
    dtype: Literal["int"]
    is_symmetric: bool
    param_bitwidth: int
    per_channel_quantization: bool
    quant_scheme: Literal["post_training_tf", "post_training_tf_enhanced"]


class Aimet1(Strict):
    version: Literal["1.0.0"]
    activation_encodings: list[Encoding1]
    param_encodings: list[Encoding1]
    excluded_layers: list[str]
    quantizer_args: QuantizerArgs


class Encoding2(Strict):
    name: str
    output_dtype: Literal[
        "int2", "uint2", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "float4e2m1", "float8e4m3fn",
        "float8e5m2",
    ]  # fmt: skip
    y_scale: float | list
    y_zero_point: int | list | msgspec.UnsetType = msgspec.UNSET
    axis: int | msgspec.UnsetType = msgspec.UNSET
    block_size: int | msgspec.UnsetType = msgspec.UNSET


class Aimet2(Strict):
    version: Literal["2.0.0"]
    encodings: list[Encoding2]


class BlockSizes(msgspec.Struct, forbid_unknown_fields=True, rename={"last": "-1", "before": "-2"}, kw_only=True):
    last: int | None
    before: int | msgspec.UnsetType = msgspec.UNSET
    type: Literal["dynamic"] | msgspec.UnsetType = msgspec.UNSET
    scale_bits: tuple[int, int] | msgspec.UnsetType = msgspec.UNSET


class QuantizerAttributes(Strict):
    num_bits: int | tuple[int, int]
    axis: int | msgspec.UnsetType | None = msgspec.UNSET
    block_sizes: BlockSizes | msgspec.UnsetType = msgspec.UNSET
    type: Literal["dynamic"] | msgspec.UnsetType = msgspec.UNSET
    narrow_range: bool | msgspec.UnsetType = msgspec.UNSET
    unsigned: bool | msgspec.UnsetType = msgspec.UNSET
    constant_amax: float | msgspec.UnsetType = msgspec.UNSET


class QuantizerEntry(Strict):
    quantizer_name: str
    cfg: QuantizerAttributes | msgspec.UnsetType = msgspec.UNSET
    enable: bool | msgspec.UnsetType = msgspec.UNSET


class ModelOpt(Strict):
    quant_cfg: list[QuantizerEntry]
    algorithm: Literal["max"]


class TensorConfig(Strict):
    num_bits: Literal[2, 4, 8, 16]
    symmetric: bool
    granularity: Literal[
        "TENSORWISE", "CHANNELWISE", "BLOCKWISE_32", "BLOCKWISE_64", "BLOCKWISE_128", "BLOCKWISE_256"
    ]  # fmt: skip
    dtype: Literal["INT"]


class OpConfig(Strict):
    weight_tensor_config: TensorConfig | msgspec.UnsetType = msgspec.UNSET
    activation_tensor_config: TensorConfig | msgspec.UnsetType = msgspec.UNSET
    compute_precision: Literal["INTEGER", "FLOAT"] | msgspec.UnsetType = msgspec.UNSET
    explicit_dequantize: bool | msgspec.UnsetType = msgspec.UNSET
    skip_checks: bool | msgspec.UnsetType = msgspec.UNSET
    min_weight_elements: int | msgspec.UnsetType = msgspec.UNSET


class LiteRTEntry(Strict):
    regex: str
    operation: Literal[
        "*", "FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE", "EMBEDDING_LOOKUP"
    ]  # fmt: skip
    algorithm_key: Literal["min_max_uniform_quantize", "MSE", "OCTAV", "no_quantize"]
    op_config: OpConfig


class TfliteDebugger(Strict):
    denylisted_ops: list[str]
    denylisted_nodes: list[str]


class NodeResult(Strict):
    value: float | str


class Stop(Strict):
    stop: float
    bgColor: str  # noqa: N815 - the tool's own spelling


class NodeData(Strict):
    name: str
    results: dict[str, NodeResult]
    gradient: list[Stop] | msgspec.UnsetType = msgspec.UNSET


class QuantizationArguments(Strict):
    num_bits: int
    type: Literal["int", "float"]
    symmetric: bool
    strategy: Literal["tensor", "channel", "group", "tensor_group", "block", "token"]
    dynamic: bool | Literal["local"]
    group_size: int | msgspec.UnsetType = msgspec.UNSET
    block_structure: tuple[int, int] | msgspec.UnsetType = msgspec.UNSET
    scale_dtype: Literal["torch.float8_e4m3fn", "torch.uint8"] | msgspec.UnsetType = msgspec.UNSET
    observer: Literal["minmax", "mse"] | msgspec.UnsetType = msgspec.UNSET


class QuantizationScheme(Strict):
    targets: list[str]
    weights: QuantizationArguments
    input_activations: QuantizationArguments | msgspec.UnsetType = msgspec.UNSET


class QuantizationModifier(Strict):
    config_groups: dict[str, QuantizationScheme]
    ignore: list[str]


class Modifiers(Strict):
    QuantizationModifier: QuantizationModifier


class Stage(Strict):
    default_modifiers: Modifiers


class LlmCompressor(Strict):
    default_stage: Stage


class Named(Strict, rename={"kind": "_type", "data": "_data", "version": "_version"}):
    kind: str
    data: dict[str, object] | str
    version: int | msgspec.UnsetType = msgspec.UNSET


class BitsAndBytes(Strict):
    load_in_8bit: bool
    load_in_4bit: bool
    llm_int8_skip_modules: list[str] | None
    llm_int8_threshold: float | msgspec.UnsetType = msgspec.UNSET
    bnb_4bit_quant_type: Literal["nf4"] | msgspec.UnsetType = msgspec.UNSET
    bnb_4bit_use_double_quant: bool | msgspec.UnsetType = msgspec.UNSET
    bnb_4bit_compute_dtype: Literal["float32", "float16", "bfloat16"] | msgspec.UnsetType = msgspec.UNSET


class Quanto(Strict):
    weights: Literal["int8", "int4", "int2", "float8"]
    activations: Literal["int8", "float8"] | None
    modules_to_not_convert: list[str] | None


SCHEMAS = {
    "onnxruntime": OnnxRuntime, "nncf": Nncf, "tensorrt": TensorRT, "aimet-1": Aimet1, "aimet-2": Aimet2,
    "modelopt": ModelOpt, "litert": list[LiteRTEntry], "tflite-debugger": TfliteDebugger, "model-explorer": NodeData,
    "llm-compressor": LlmCompressor, "torchao": Named, "bitsandbytes": BitsAndBytes, "quanto": Quanto,
    "llama-cpp": list[str], "model-explorer-formats": NodeData, "model-explorer-shares": NodeData,
}  # fmt: skip


def read(target, document):
    """What a file says, held to its tool's definition."""
    if document.name.endswith(".txt"):
        plain = document.text.splitlines()
    else:
        plain = yaml.safe_load(document.text) if document.name.endswith(".yaml") else json.loads(document.text)
    msgspec.convert(plain, type=SCHEMAS[target])
    return plain
