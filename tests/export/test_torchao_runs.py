"""What is written for torchao, applied by torchao on this CPU: the simulation's weights, or those that are said."""

import importlib
import json

import pytest
import torch

from qdebug.doors.huggingface import open_checkpoint
from qdebug.export import export
from qdebug.recipes import LayerPlan, Recipe, parse_activation_format, parse_weight_format
from qdebug.session import open as open_model
from tests.doors.huggingface import zoo

MODULE = "model.layers.1.mlp.down_proj"


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    place = tmp_path_factory.mktemp("llama")
    (place / "story.txt").write_text(zoo.STORY, "utf-8")
    folder = zoo.save("llama", place / "net")
    arrays, _ = open_checkpoint(folder).read(place / "story.txt")
    return folder, open_model(folder, place / "story.txt"), arrays


def applied(folder, document):
    """The library's model, quantized by torchao as the document says."""
    import transformers

    pytest.importorskip("torchao")
    read = importlib.import_module("torchao.core.config").config_from_dict
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    importlib.import_module("torchao.quantization").quantize_(model, read(json.loads(document.text)), filter_fn=None)
    return model


def perplexity(model, arrays):
    with torch.no_grad():
        logits = model(input_ids=torch.from_numpy(arrays["input_ids"])).logits.double()
    labels = torch.from_numpy(arrays["labels"]).flatten()
    return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels).exp())


def recipe_of(weight, inputs="fp32"):
    return Recipe(default=LayerPlan(parse_weight_format(weight), parse_activation_format(inputs)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weight", ["int4g32-affine", "int2g32-affine", "int6-pc-affine", "fp8_e4m3fn",
                                    "fp8_e4m3fn-pc", "fp8_e4m3fng32"])  # fmt: skip
def test_the_same_perplexity(llama, weight):
    folder, session, arrays = llama
    document = export(session, recipe_of(weight), "torchao")
    found = session.score(recipe_of(weight)).metric
    model = applied(folder, document)
    own = model.get_submodule(MODULE).weight
    assert type(own) is not torch.nn.Parameter
    assert perplexity(model, arrays) == pytest.approx(found.quantized, rel=2e-7)
    assert abs(found.quantized / found.float_ - 1) > 1e-5
    assert not any("as the scale" in text for text in document.unsaid)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("weight", "group", "said"), [
    ("int4g32", 32, "max / 7 or −min / 8 as the scale"), ("int6-pc", 64, "max / 31 or −min / 32 as the scale"),
    ("int8-pc", 64, "absmax / 127.5 as the scale"), ("int8", 0, "absmax / 127.5 as the scale"),
])  # fmt: skip
def test_symmetric_scales_are_torchao_s_own_as_is_said(llama, weight, group, said):
    folder, session, arrays = llama
    document = export(session, recipe_of(weight), "torchao")
    assert sum(said in text for text in document.unsaid) == 15
    import transformers

    model = applied(folder, document)
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for name, module in plain.named_modules():
        if isinstance(module, torch.nn.Linear):
            theirs = model.get_submodule(name).weight.dequantize()
            ours, bits = by_hand(module.weight.detach(), int(weight[3]), group), int(weight[3])
            step = module.weight.abs().max() / 2 ** (bits - 1)
            assert float((theirs - ours).abs().max()) <= 1.01 * step
            # With 127.5 the largest magnitude of each scale lies between two codes.
            assert int(((theirs - ours).abs() > 1e-6 * step).sum()) <= len(ours)
            module.weight.data = theirs
    assert perplexity(model, arrays) == pytest.approx(perplexity(plain, arrays), rel=1e-6)


def by_hand(weight, bits, group):
    """Symmetric codes as torchao's documentation describes them."""
    most = 2 ** (bits - 1) - 1
    blocks = weight.reshape(1, -1) if not group else weight.reshape(-1, min(group, weight.shape[1]))
    low, high = blocks.amin(1, keepdim=True).clamp(max=0), blocks.amax(1, keepdim=True).clamp(min=0)
    scale = torch.maximum(-low, high) / 127.5 if bits == 8 else torch.maximum(low / -(most + 1), high / most)
    return ((blocks / scale).round().clamp(-most - 1, most) * scale).reshape(weight.shape)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("weight", "inputs"), [("int4g32-affine", "int8-tok"), ("int4g32-affine", "int8-tok-sym"),
                                                ("int8-pc", "int8-tok-sym"), ("int8-pc", "int8-tok")])  # fmt: skip
def test_inputs_of_tokens_too(llama, weight, inputs):
    folder, session, arrays = llama
    recipe = recipe_of(weight, inputs)
    document = export(session, recipe, "torchao")
    assert any("activation stays float" in text for text in document.unsaid) == (
        weight != "int8-pc" and "sym" in inputs
    )
    found = session.score(recipe).metric
    # Codes of activations at a tie fall to either side; symmetric scales differ by 0.4 %.
    assert perplexity(applied(folder, document), arrays) == pytest.approx(found.quantized, rel=5e-4)
