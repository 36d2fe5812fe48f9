"""Good ONNX models, and the same with fields changed at random."""

from __future__ import annotations

import random

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from onnx import TensorProto, helper, numpy_helper

from tests.doors.hostile_graphs import branch, call, conditional, function, referring
from tests.doors.hostile_onnx import good, node, stored, value

NUMBERS = [-(2**63), -(2**31), -1, 0, 1, 2, 3, 8, 16, 64, 999, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1]


def network():
    """A convolution, a normalization and a head, with typed fields, raw fields and a sparse tensor."""
    kernel = helper.make_tensor("k", TensorProto.FLOAT, [2, 1, 3, 3], np.arange(18) / 18.0)
    tensors = [kernel, stored("s", 2), stored("z", 2), numpy_helper.from_array(np.float32(6), "six")]
    nodes = [
        node("Conv", ["x", "k"], ["c"], "conv", pads=[1, 1, 1, 1], strides=[1, 1], group=1),
        node("BatchNormalization", ["c", "s", "z", "z", "s"], ["n"], "norm", epsilon=1e-5),
        node("Clip", ["n", "", "six"], ["r"], "clip"),
        node("Constant", [], ["two"], value=stored("t", 1)),
        node("Mul", ["r", "two"], ["m"], "scale"),
        node("Transpose", ["m"], ["t"], "turn", perm=[0, 2, 3, 1]),
        node("MatMul", ["t", "sp"], ["y"], "head"),
    ]
    model = good(nodes, tensors)
    places = helper.make_tensor("i", TensorProto.INT64, [3], [0, 2, 5])
    held = helper.make_tensor("sp", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(held, places, [2, 3]))
    model.graph.input[0].CopyFrom(value("x", ("N", 1, 4, 4)))
    return model


def branches():
    inner = branch([node("Mul", ["x", "two"], ["b"], "inner")], tensors=[stored("two", 1)])
    outer = branch([node("If", ["c"], ["b"], "again", then_branch=inner, else_branch=inner)])
    return conditional(outer, inner, stored_condition=True)


def functions():
    soft = function("soft", [referring("Softmax", "axis", "k")], attributes=["k"])
    twice = function("twice", [call("soft", ("a",), ("m",), k=1), node("Add", ["m", "m"], ["z"])])
    return good([call("twice"), node("Relu", ["y"], ["q"])], functions=[soft, twice], outputs=("q", "y"))


def beside():
    """Its weights lie in ``data.bin``."""
    model = good()
    onnx.external_data_helper.convert_model_to_external_data(model, location="data.bin", size_threshold=0)
    held = model.graph.initializer[0]
    held.ClearField("raw_data")
    for key, text in (("offset", "0"), ("length", "64")):
        held.external_data.add(key=key, value=text)
    held.data_location = TensorProto.EXTERNAL
    return model


MODELS = {make.__name__: make for make in (network, branches, functions, beside)}


def messages(message: Message) -> list[Message]:
    found = [message]
    for field, content in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in content if field.is_repeated else [content]:
                found += messages(inner)
    return found


def change_a_field(model: Message, draw: random.Random) -> None:
    """A field somewhere taken away, repeated, or given another value of its kind."""
    names = ["x", "y", "", "w", "b", "no such name", "If", "Conv", "../secret", "\N{GREEK SMALL LETTER PI}" * 9]
    while True:
        message = draw.choice(messages(model))
        filled = message.ListFields()
        if not filled:
            continue
        field, content = draw.choice(filled)
        if draw.random() < 0.2:
            message.ClearField(field.name)
        elif field.is_repeated:
            shown = list(content)
            extra = draw.choice(shown)
            if field.type != FieldDescriptor.TYPE_MESSAGE:
                extra = another(field, names, draw)
            shown[draw.randrange(len(shown))] = extra
            if draw.random() < 0.5:
                shown.append(extra)
            copies = [
                type(one).FromString(one.SerializeToString()) if isinstance(one, Message) else one for one in shown
            ]
            message.ClearField(field.name)
            getattr(message, field.name).extend(copies)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            continue
        else:
            setattr(message, field.name, another(field, names, draw))
        return


def another(field: FieldDescriptor, names: list[str], draw: random.Random):
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return draw.randbytes(draw.choice([0, 1, 4, 64]))
        case FieldDescriptor.CPPTYPE_STRING:
            return draw.choice(names)
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return draw.choice([float("nan"), float("inf"), -1.0, 0.0, 1e38])
        case FieldDescriptor.CPPTYPE_ENUM:
            return draw.choice([one.number for one in field.enum_type.values])
        case FieldDescriptor.CPPTYPE_INT32:
            return draw.choice([number for number in NUMBERS if abs(number) < 2**31])
        case FieldDescriptor.CPPTYPE_UINT64:
            return draw.choice([abs(number) for number in NUMBERS])
        case _:
            return draw.choice(NUMBERS)
