"""Tiny random models with a tokenizer of characters, written to disk as any Hugging Face model is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHAT = "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}[assistant]"
SPECIALS = ["<eos>", "<think>", "</think>"]
SIZES = {"layers": 2, "attention_heads": 4, "ffn_dim": 64}  # of BART's encoder and decoder


def tokenizer(chat_template: str | None = CHAT) -> Any:
    """One token per printable ASCII character or line end, and three special ones: the vocabulary is 99."""
    from string import ascii_letters, digits, punctuation

    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = ascii_letters + digits + punctuation + "ĠĊ"  # a byte-level tokenizer's space and line end
    inner = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([SPECIALS[0]])
    inner.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in SPECIALS[1:]])
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>", chat_template=chat_template)


def build(
    folder: Path,
    kind: str = "llama",
    *,
    seed: int = 0,
    chat_template: str | None = CHAT,
    head: str = "CausalLM",
    **config: Any,
) -> Path:
    """A random model of a named architecture in `folder`, spiky enough that tokens differ much in probability. `head`:
    the model's class is transformers.AutoModelFor with this at its end."""
    import torch
    import transformers

    classes = {
        "llama": transformers.LlamaConfig,
        "qwen2": transformers.Qwen2Config,
        "mistral": transformers.MistralConfig,
        "gpt2": transformers.GPT2Config,
        "mamba": transformers.MambaConfig,
        "gemma3": transformers.Gemma3TextConfig,
        "bert": transformers.BertConfig,
        "t5": transformers.T5Config,
        "bart": transformers.BartConfig,
    }
    made = tokenizer(chat_template)
    if kind == "bert":
        _make_pairs(made)
    shape: dict[str, Any] = {
        "vocab_size": len(made),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "eos_token_id": made.eos_token_id,
        "bos_token_id": None,
        "pad_token_id": None,
    }
    if kind == "bert":
        shape |= {"max_position_embeddings": 256, "pad_token_id": made.pad_token_id}
    if kind != "gpt2":
        shape |= {"intermediate_size": 64, "initializer_range": 0.2}
    if kind in {"llama", "qwen2", "mistral", "gemma3"}:
        shape |= {"num_key_value_heads": 2, "max_position_embeddings": 256, "head_dim": 8}
    if kind == "gpt2":
        shape |= {"n_positions": 256, "initializer_range": 0.2}
    if kind == "t5":  # a decoder starts with the padding token there
        sizes = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "initializer_factor": 3.0}
        shape = {
            "vocab_size": len(made),
            "eos_token_id": made.eos_token_id,
            "pad_token_id": 0,
            "decoder_start_token_id": 0,
        } | sizes
    if kind == "bart":
        sizes = {f"{part}_{name}": n for part in ("encoder", "decoder") for name, n in SIZES.items()}
        shape |= sizes | {"d_model": 32, "max_position_embeddings": 256, "init_std": 0.3, "decoder_start_token_id": 5}
        shape |= {"forced_eos_token_id": None}
    torch.manual_seed(seed)
    model = getattr(transformers, f"AutoModelFor{head}").from_config(classes[kind](**(shape | config)))
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


def _make_pairs(made: Any) -> None:
    """The two-text form of BERT: [CLS] question [SEP] answer [SEP], with token types 0 and 1."""
    from tokenizers import processors

    made.add_special_tokens({"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"})
    ends = [(token, made.convert_tokens_to_ids(token)) for token in ("[CLS]", "[SEP]")]
    pair = "[CLS] $A [SEP] $B:1 [SEP]:1"
    made.backend_tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", pair, ends)
    made.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]


def as_gguf(folder: Path, file: Path, kind: str = "F32") -> Path:
    """A model of `build(..., "qwen2")` as a GGUF file: its matrices of that kind, all else in float32."""
    import gguf
    import numpy as np
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    made, config = tokenizer(), model.config
    writer = gguf.GGUFWriter(file, "qwen2")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(made.convert_ids_to_tokens(range(len(made))))
    writer.add_token_types([3 if i == made.eos_token_id else 1 for i in range(len(made))])
    writer.add_token_scores([0.0] * len(made))  # there are no merges
    writer.add_eos_token_id(made.eos_token_id)
    writer.add_chat_template(made.chat_template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config.num_hidden_layers)
    for name, value in model.state_dict().items():
        array = value.numpy()
        stored = gguf.GGMLQuantizationType[kind if array.ndim == 2 else "F32"]
        packed = gguf.quants.quantize(array.astype(np.float32), stored)
        writer.add_tensor(names.get_name(name, (".weight", ".bias")), packed, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
