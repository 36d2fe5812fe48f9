"""The networks by name, with what is known of them.

Layers are counted by hand: convolutions, linear layers, embeddings. A table of positions is no layer where positions
are the same in every call, as they are here, where the length of a sequence is fixed; the exporters fold it into a
constant. A recurrent network has two linear layers in each direction of each of its layers, from the input and
from the state to the gates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from tests.doors.architectures import convolutional, detector, recurrent, transformer
from tests.doors.architectures.record import FROM_18, OPSETS, Architecture, images, settled


def _image(
    build: Callable[[], nn.Module], layers: tuple[int, int, int], *opsets: int, of: tuple[int, int] = (3, 32)
) -> Architecture:
    draw = images(*of)
    reach = FROM_18 if layers[1] else OPSETS  # a classifier has a mean (see the writers)
    return Architecture(lambda: settled(build(), draw), draw, layers, opsets, reach=reach)


def _recurrent(kind: type[nn.RNNBase], depth: int, both: bool, *opsets: int) -> Architecture:
    build = partial(recurrent.recurrent, kind, depth, both)
    linear = 2 * depth * (2 if both else 1) + 1  # the input, the states, and the head
    return Architecture(build, recurrent.sequences, (0, linear, 0), opsets, ("steps", "last"))


_BY_TORCH_EXPORT = {
    # The stem, two convolutions in each of four blocks, one shortcut.
    "resnet": _image(convolutional.resnet, (10, 1, 0), 18),
    # The stem, four layers, one transition.
    "densenet": _image(convolutional.densenet, (6, 1, 0), 21),
    # Three in a block, two in one that does not widen, the stem, the head.
    "mobilenet-v2": _image(convolutional.mobilenet_v2, (10, 1, 0), 19),
    # The same, and two in each gate.
    "mobilenet-v3": _image(convolutional.mobilenet_v3, (16, 2, 0), 20),
    "efficientnet": _image(convolutional.efficientnet, (16, 1, 0), 22),
    # The stem, the step down, a depthwise filter and two linear layers in each of three blocks.
    "convnext": _image(convolutional.convnext, (5, 7, 0), 19, 20),
    # Four down, three up, one of them after a transposed convolution, the head.
    "unet": _image(convolutional.UNet, (9, 0, 0), 18, 23, of=(1, 16)),
    "detector": Architecture(
        lambda: settled(detector.Detector(), images(3, 32)), images(3, 32), (5, 0, 0), (18,),
        ("boxes", "scores", "kept"), detector.translations, detector.register_for_old_exporter, FROM_18,
    ),
    "lstm": _recurrent(nn.LSTM, 1, False, 17),
    "lstm-two-way": _recurrent(nn.LSTM, 2, True, 21),
    "gru": _recurrent(nn.GRU, 1, False, 22),
    "gru-two-way": _recurrent(nn.GRU, 2, True, 18),
    # The patches; six linear layers in each of two blocks, the head.
    "vit": Architecture(transformer.vit, images(3, 16), (1, 13, 0), (19,)),
    # Six in each of two blocks, two in the head; words and sentences.
    "bert": Architecture(transformer.bert, transformer.sentences, (0, 14, 2), (17, 20)),
    # Four in each of two blocks, the head, which has the embedding's weight.
    "gpt2": Architecture(transformer.gpt2, transformer.tokens(False), (0, 9, 1), (20,), reach=FROM_18),
    # Four for attention and three after it in each of two blocks, the head.
    "llama": Architecture(transformer.llama, transformer.tokens(True), (0, 15, 1), (18, 23), reach=FROM_18),
    "qwen2": Architecture(transformer.qwen2, transformer.tokens(True), (0, 15, 1), (21,), reach=FROM_18),
    "qwen3": Architecture(transformer.qwen3, transformer.tokens(True), (0, 15, 1), (23,), reach=FROM_18),
}  # fmt: skip

# What the older exporter cannot write: BERT's file computes another attention mask than the module, and GPT-2 asks for
# an operator it does not have.
_NOT_TRACED = ("bert", "gpt2")

ZOO: dict[str, Architecture] = _BY_TORCH_EXPORT | {
    f"{name}-traced": replace(zoo, traced=True, reach=(17, 18, 19, 20), opsets=(17,))
    for name, zoo in _BY_TORCH_EXPORT.items()
    if name not in _NOT_TRACED
}
