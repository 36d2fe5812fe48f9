"""Small Hugging Face folders of many architectures, with random weights, and a tokenizer that fits them."""

import json

import torch

TOKENS = 128
_BOTH = {
    "vocab_size": TOKENS, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64,
}  # fmt: skip
_DECODER = {**_BOTH, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_PICTURE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
    "patch_size": 8, "num_labels": 5,
}  # fmt: skip
_OPT = {
    "vocab_size": TOKENS, "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64, "word_embed_proj_dim": 32,
}  # fmt: skip
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_WHISPER = {
    "vocab_size": TOKENS, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_mel_bins": 16,
    "max_source_positions": 32, "max_target_positions": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "decoder_start_token_id": 1, "suppress_tokens": None, "begin_suppress_tokens": None,
}  # fmt: skip

SPECS = {
    "gpt2": ("GPT2LMHeadModel", {"vocab_size": TOKENS, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "opt": ("OPTForCausalLM", _OPT),
    "llama": ("LlamaForCausalLM", _DECODER),
    "qwen2": ("Qwen2ForCausalLM", _DECODER),
    "qwen3": ("Qwen3ForCausalLM", {**_DECODER, "head_dim": 8}),
    "mistral": ("MistralForCausalLM", {**_DECODER, "sliding_window": 16}),
    "gemma": ("GemmaForCausalLM", {**_DECODER, "head_dim": 8}),
    "gemma2": ("Gemma2ForCausalLM", {**_DECODER, "head_dim": 8, "sliding_window": 16}),
    "gemma3": ("Gemma3ForCausalLM", {**_DECODER, "head_dim": 8, "sliding_window": 16}),
    "phi": ("PhiForCausalLM", {**_DECODER, "num_key_value_heads": 4}),
    "phi3": ("Phi3ForCausalLM", _DECODER),
    "mixtral": ("MixtralForCausalLM", {**_DECODER, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "qwen2-moe": ("Qwen2MoeForCausalLM", {**_DECODER, **_EXPERTS, "shared_expert_intermediate_size": 32}),
    "qwen3-moe": ("Qwen3MoeForCausalLM", {**_DECODER, **_EXPERTS, "head_dim": 8}),
    "bert": ("BertModel", _BOTH),
    "bert-classes": ("BertForSequenceClassification", {**_BOTH, "num_labels": 3}),
    "bert-masked": ("BertForMaskedLM", _BOTH),
    "roberta": ("RobertaModel", {**_BOTH, "max_position_embeddings": 66}),
    "mpnet": ("MPNetModel", {**_BOTH, "max_position_embeddings": 66}),
    "distilbert": ("DistilBertModel", {"vocab_size": TOKENS, "dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4}),
    "t5": ("T5ForConditionalGeneration", {
        "vocab_size": TOKENS, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4,
        "decoder_start_token_id": 0,
    }),
    "vit": ("ViTForImageClassification", _PICTURE),
    "deit": ("DeiTForImageClassification", _PICTURE),
    "resnet": ("ResNetForImageClassification", {
        "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "num_labels": 5,
    }),
    "convnext": ("ConvNextForImageClassification", {
        "hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "num_labels": 5,
    }),
    "mobilenet-v2": ("MobileNetV2ForImageClassification", {
        "depth_multiplier": 0.35, "image_size": 32, "num_labels": 5,
    }),
    "swin": ("SwinForImageClassification", {
        "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "image_size": 32, "patch_size": 4, "window_size": 4,
        "num_labels": 5,
    }),
    "whisper": ("WhisperForConditionalGeneration", _WHISPER),
}  # fmt: skip
"""The library's class and the settings of its configuration, by a name of ours."""

STORY = (
    "The map from real numbers to codes is affine. A scale says how far apart two neighbours lie, a zero point which "
    "code stands for zero.\n\nWhat lies outside the range is clipped, what lies inside is rounded.\n\n"
) * 4


def is_mixture(name):
    """Whether it has experts: four in each of two blocks."""
    return name.endswith("moe") or name == "mixtral"


def build(name):
    """The module, always with the same weights."""
    import transformers

    kind, settings = SPECS[name]
    architecture = getattr(transformers, kind)
    torch.manual_seed(0)
    return architecture(architecture.config_class(**settings)).eval()


def save(name, folder):
    """Its folder, as ``save_pretrained`` writes it, with the tokenizer."""
    import transformers

    transformers.logging.disable_progress_bar()
    build(name).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def tokenizer(size=TOKENS):
    """Bytes, and pairs of them that are frequent in the story."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    found = Tokenizer(models.BPE(unk_token="<unk>"))
    found.pre_tokenizer = pre_tokenizers.ByteLevel()
    special = ["<pad>", "<s>", "</s>", "<unk>"]
    found.train_from_iterator(
        [STORY], trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=found, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def lines(file, *rows):
    """A file of JSON lines."""
    file.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return file
