"""Devices with their sources."""

from __future__ import annotations

from qdebug.errors import RecipeError, near
from qdebug.targets.device import Device, Figure

_H100 = "https://www.nvidia.com/en-us/data-center/h100/"
_A100 = (
    "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/"
    "nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf"
)
_AMPERE = "https://images.nvidia.com/aem-dam/en-zz/Solutions/data-center/nvidia-ampere-architecture-whitepaper.pdf"
_SPARSE_CORES = "https://developer.nvidia.com/blog/accelerating-inference-with-sparsity-using-ampere-and-tensorrt"
_ORIN = (
    "https://www.nvidia.com/content/dam/en-zz/Solutions/gtcf21/jetson-orin/nvidia-jetson-agx-orin-technical-brief.pdf"
)
_HEXAGON = (
    "https://www.notebookcheck.net/Hexagon-NPU-6-in-the-Snapdragon-X2-Elite-Extreme-80-TOPS-performance-that-is-up-to-"
    "95-faster-than-Apple-M4-and-122-faster-than-Intel-Lunar-Lake.1166576.0.html"
)
_X_ELITE = (
    "https://en.mashdigi.com/snapdragon-x-elite-is-qualcomms-first-pc-level-processor-built-with-nuvia-technology/"
)
_M4 = "https://www.engadget.com/apples-m4-chip-arrives-with-a-big-focus-on-ai-142448428.html"
_TIGER = "https://www.tomshardware.com/news/intel-11th-gen-tiger-lake-cpu-obliterates-ice-lake-chip"
_PORTS = "https://code.videolan.org/videolan/dav1d/-/merge_requests/1301/commits"
_TIGER_MEMORY = (
    "https://technosports.co.in/intel-tiger-lake-core-i7-1165g7-cpu-equals-ryzen-7-4700u-performance-while-xe-igpu-"
    "destroys-amd-vega-igpu"
)
_PI5 = "https://circuitdigest.com/news/the-new-raspberry-pi-5-is-here-faster-than-ever"
_A76 = "https://fdocuments.net/document/arm-cortex-a76-software-optimization-guide.html"
_TERA, _GIGA = 1e12, 1e9


def _halved(tera: float, source: str) -> Figure:
    return Figure(value=tera * _TERA / 2, source=source, derivation=f"{tera:g} T with sparsity, halved")


def _tera(value: float, source: str) -> Figure:
    return Figure(value=value * _TERA, source=source)


def _lanes(cores: int, gigahertz: float, macs: int, source: str, why: str) -> Figure:
    """From clock and lanes: ``macs`` multiply-accumulates per core and cycle."""
    derivation = f"{cores} cores × {gigahertz:g} GHz × {macs} MACs × 2 ({why})"
    return Figure(value=cores * gigahertz * _GIGA * macs * 2, source=source, derivation=derivation)


def _bus(bits: int, megatransfers: float, source: str) -> Figure:
    derivation = f"{bits} bits × {megatransfers:g} MT/s"
    return Figure(value=bits / 8 * megatransfers * 1e6, source=source, derivation=derivation)


_SPARSE = Figure(
    value=2.0, source=_SPARSE_CORES, derivation="peak with 2:4 weights over the dense one, compute alone"
)  # fmt: skip

H100 = Device(
    name="h100-sxm", title="NVIDIA H100 SXM, 80 GB",
    rates=(
        ("fp8", _halved(3958, _H100)), ("int8", _halved(3958, _H100)), ("fp16", _halved(1979, _H100)),
        ("bf16", _halved(1979, _H100)), ("tf32", _halved(989, _H100)), ("fp32", _tera(67, _H100)),
    ),
    bandwidth=Figure(value=3.35e12, source=_H100), sparse=_SPARSE, platforms=("tensorrt", "llama-cpp"),
)  # fmt: skip
A100 = Device(
    name="a100-sxm", title="NVIDIA A100 SXM, 80 GB",
    rates=(
        ("int4", _tera(1248, _AMPERE)), ("int8", _tera(624, _A100)), ("fp16", _tera(312, _A100)),
        ("bf16", _tera(312, _A100)), ("tf32", _tera(156, _A100)), ("fp32", _tera(19.5, _A100)),
    ),
    bandwidth=Figure(value=2.039e12, source=_A100), sparse=_SPARSE, platforms=("tensorrt", "llama-cpp"),
)  # fmt: skip
ORIN = Device(
    name="jetson-agx-orin", title="NVIDIA Jetson AGX Orin 64 GB (its GPU)",
    rates=(
        ("int8", _halved(170, _ORIN)),
        ("fp16", Figure(value=42.5e12, source=_ORIN, derivation="half of INT8: HMMA of 16 against IMMA of 32")),
        ("fp32", _tera(5.3, _ORIN)),
    ),
    bandwidth=Figure(value=204.8e9, source=_ORIN), sparse=_SPARSE, platforms=("tensorrt", "llama-cpp"),
    note="The 275 TOPS that are advertised are sparse and count the two DLA as well.",
)  # fmt: skip
HEXAGON = Device(
    name="snapdragon-x-elite", title="Snapdragon X Elite (Hexagon NPU)",
    rates=(("int8", _tera(45, _HEXAGON)),),
    bandwidth=_bus(128, 8533, _X_ELITE), platforms=("qnn-htp",),
    note="One number is published, without its precision: taken as 8 bits. Of 16 bits and floats nothing is known. For "
    "Snapdragon 8 Gen 2 and 3 Qualcomm publishes ratios to the generation before, and no rate.",
)  # fmt: skip
M4 = Device(
    name="apple-m4", title="Apple M4 (Neural Engine)",
    rates=(("int8", _tera(38, _M4)),),
    bandwidth=Figure(value=120e9, source=_M4),
    note="Apple does not say of which precision its number is: taken as 8 bits. None of the platforms here runs on it.",
)  # fmt: skip
_VNNI = "one 512-bit VPDPBUSD a cycle: ports 0 and 1 together, port 5 multiplies on servers alone"
LAPTOP = Device(
    name="laptop-avx512-vnni", title="Laptop, 4 cores with AVX-512 VNNI (Core i7-1165G7 at its base clock)",
    rates=(
        ("int8", _lanes(4, 2.8, 64, _PORTS, _VNNI)),
        ("fp32", _lanes(4, 2.8, 16, _PORTS, "one 512-bit FMA a cycle, on the same ports")),
    ),
    bandwidth=_bus(128, 4266, _TIGER_MEMORY),
    platforms=("onnxruntime-cpu", "openvino-cpu", "litert-xnnpack", "llama-cpp"),
    note=f"Cores and clock: {_TIGER}. At the boost clock the rates are up to 1.7 times as high.",
)  # fmt: skip
PI5 = Device(
    name="raspberry-pi-5", title="Raspberry Pi 5 (4 Cortex-A76)",
    rates=(
        ("int8", _lanes(4, 2.4, 32, _A76, "two 128-bit SDOT a cycle")),
        ("fp16", _lanes(4, 2.4, 16, _A76, "two 128-bit FMLA a cycle")),
        ("fp32", _lanes(4, 2.4, 8, _A76, "two 128-bit FMLA a cycle")),
    ),
    bandwidth=_bus(32, 4267, _PI5), platforms=("litert-xnnpack", "llama-cpp"),
    note=f"Cores and clock: {_PI5}.",
)  # fmt: skip

DEVICES: dict[str, Device] = {one.name: one for one in (H100, A100, ORIN, HEXAGON, M4, LAPTOP, PI5)}


HERE = "here"
"""In a device's place: this machine, whose layers are timed instead of modelled."""


def find_device(name: str) -> Device:
    """The device of that name.

    Raises:
        RecipeError: there is none; the message gives near names.
    """
    try:
        return DEVICES[name]
    except KeyError:
        raise RecipeError(f"Unknown device '{name}'", do=near(name, DEVICES)) from None
