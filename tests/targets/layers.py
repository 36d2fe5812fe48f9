"""One layer of each kind, with numbers that are counted in the head."""

from qdebug.results import LayerInfo

CONV = LayerInfo(
    name="conv", op="conv 3×3", kind="conv", weight_shape=(16, 8, 3, 3), params=1152 + 16, macs=16 * 100 * 72,
    out_channels=16, in_features=72, has_bias=True, weight_name="conv.weight", input_name="x", input_values=800,
    output_values=1600,
)  # fmt: skip
DEPTHWISE = LayerInfo(
    name="dw", op="depthwise 3×3", kind="conv", weight_shape=(8, 1, 3, 3), params=72, macs=8 * 100 * 9, out_channels=8,
    in_features=9, has_bias=False, weight_name="dw.weight", input_name="x", input_values=800, output_values=800,
)  # fmt: skip
TRANSPOSED = LayerInfo(
    name="up", op="conv-transpose 2×2", kind="conv", weight_shape=(8, 4, 2, 2), params=128, macs=12800, out_channels=4,
    in_features=32, has_bias=False, weight_name="up.weight", input_name="x", input_values=800, output_values=1600,
)  # fmt: skip
MATMUL = LayerInfo(
    name="proj", op="linear", kind="matmul", weight_shape=(32, 256), params=32 * 256, macs=10 * 32 * 256,
    out_channels=32, in_features=256, has_bias=False, weight_name="proj.weight", input_name="y",
    input_values=2560, output_values=320,
)  # fmt: skip
EMBEDDING = LayerInfo(
    name="tok", op="embedding", kind="embedding", weight_shape=(100, 256), params=25600, macs=0, out_channels=100,
    in_features=256, has_bias=False, weight_name="tok.weight", input_name="ids", input_values=10, output_values=2560,
)  # fmt: skip
ALL = (CONV, DEPTHWISE, TRANSPOSED, MATMUL, EMBEDDING)
