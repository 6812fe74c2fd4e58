"""Layers for a verifier that are set and not learned: what the body expected, laid beside what was written.

To tell a right sum from a wrong one, a model must do the sum. A model that writes sums can: after each token its last
layer holds the logits of the next. A verifier has to compare these with the token that did come, and that is hard to
learn, for two reasons. The last layer of a small model hardly remembers which token it has just read. And attention
and MLP layers see their input through a norm, which hides how the scale of the body's last layer varies from token to
token. `widened` removes both, with numbers beside the body's own in each hidden state:

    ONE      small and constant            FIRST    small at the first token of a text, 0 after it
    HERE     one-hot of the token read     LARGE    large and constant, from the layer on top of the body
    EXPECTED the body's logits one token before, less their mean, from that layer too
    CHANCE   of these, the logit of the token read       READ    HERE again, large enough for the layers above
    FREE     zeros, for the layers above to write in

HERE, EXPECTED and READ are of a few dozen tokens, those that answers are made of; another token has zeros there.

The body itself cannot see them: they are tiny beside its own numbers. Above it LARGE dominates every norm, so that all
else keeps its scale."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LlamaForCausalLM, LlamaForSequenceClassification

SMALL = 0.02  # of ONE, FIRST and HERE beside an embedding's numbers
LARGE = 4000.0
BODY = 20.0  # about the size of the numbers of the body's last layer
SHARP = 14.0  # of the attention to one token
NEAR = 4  # frequencies of the rotary embedding that tell the token before from all others
SCALE = 5.0  # of a logit in the hidden state
FREE = 24  # at least


@dataclass(frozen=True)
class Places:
    """Where in a hidden state what lies; `width` numbers in all."""

    body: slice
    one: int
    first: int
    large: int
    chance: int
    here: slice
    expected: slice
    read: slice
    free: slice
    width: int

    @staticmethod
    def of(size: int, tokens: int) -> Places:
        """After the `size` numbers of the body, for so many tokens that are told apart."""
        start = size + 4
        parts = [slice(start + i * tokens, start + (i + 1) * tokens) for i in range(3)]
        used = start + 3 * tokens
        free = slice(used, -(-(used + FREE) // 64) * 64)  # a width that processors like
        return Places(slice(0, size), size, size + 1, size + 2, size + 3, *parts, free, free.stop)


@torch.no_grad()
def widened(body: LlamaForCausalLM, tokens: torch.Tensor, first: int, extra: int) -> LlamaForSequenceClassification:
    """A verifier with the body, the comparing layer on top of it, and `extra` layers to be trained, random as any, which
    write nothing as yet. `tokens`: those told apart, as many as a head is wide at most; `first`: with which every text
    begins. The body's part of each hidden state is the body's own, to about one part in ten thousand (two in a thousand
    once saved in bf16)."""
    old = body.config
    assert len(tokens) <= old.head_dim
    assert old.num_key_value_heads == old.num_attention_heads
    at = Places.of(old.hidden_size, len(tokens))
    config = copy.deepcopy(old)
    config.num_labels, config.hidden_size = 1, at.width
    config.num_hidden_layers = old.num_hidden_layers + 1 + extra
    model = LlamaForSequenceClassification(config)
    for name, p in model.model.named_parameters():
        if (own := dict(body.model.named_parameters()).get(name)) is not None:
            p.zero_()
            p[tuple(slice(0, n) for n in own.shape)] = own
            if name.endswith("norm.weight"):  # the mean of the squares is of more numbers now
                p *= (old.hidden_size / at.width) ** 0.5
    embedding = model.model.embed_tokens.weight
    small = SMALL * float(body.model.embed_tokens.weight.square().mean().sqrt())
    embedding[:, at.one] = small
    embedding[first, at.first] = small
    embedding[tokens, torch.arange(at.here.start, at.here.stop)] = small
    states = model.model(torch.tensor([[first]]), output_hidden_states=True).hidden_states
    unit = float(states[old.num_hidden_layers][0, 0, at.body].square().mean().sqrt())
    _compare(model.model.layers[old.num_hidden_layers], body, at, tokens, small, unit)
    for layer in model.model.layers[old.num_hidden_layers + 1 :]:
        for norm in (layer.input_layernorm, layer.post_attention_layernorm):
            _show(norm.weight, at)
        for p in layer.parameters():
            if p.ndim == 2:
                torch.nn.init.normal_(p, std=at.width**-0.5)
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    _show(model.model.norm.weight, at)
    model.score.weight.zero_()
    return model


def _show(norm: torch.Tensor, at: Places) -> None:
    """A norm above the comparing layer: everything at a size of about one."""
    rms = LARGE / at.width**0.5
    norm[:] = 0
    norm[at.body] = rms / BODY
    norm[at.large] = rms / LARGE
    norm[at.expected] = norm[at.chance] = rms / SCALE / 4
    norm[at.read] = norm[at.free] = rms


def _compare(layer: Any, body: LlamaForCausalLM, at: Places, tokens: torch.Tensor, small: float, unit: float) -> None:
    """Sets the layer on top of the body. `unit`: the size of the body's last layer at the first token."""
    for p in layer.parameters():
        p.zero_()
    # The norm shows the body's numbers as its own last norm would, and ONE as the size of the first token over this one's.
    seen = layer.input_layernorm.weight
    seen[:] = (body.config.hidden_size / at.width) ** 0.5
    seen[at.one] = seen[at.first] = seen[0] * unit / small
    query, key, value, out = (getattr(layer.self_attn, f"{name}_proj").weight for name in "qkvo")
    width = body.config.head_dim
    half = width // 2
    # The first head attends to the token before: rotated by one step more, its key points where the query does. The
    # slowest frequency hardly turns; it takes away so much that all other tokens score below zero, this one above.
    # So it wins whatever the size of a key, in texts of up to 350 tokens.
    theta = [body.config.rope_parameters["rope_theta"] ** (-2 * i / width) for i in range(NEAR)]
    for i in range(NEAR):
        query[i, at.one] = SHARP
        key[i, at.one], key[half + i, at.one] = SHARP * math.cos(theta[i]), SHARP * math.sin(theta[i])
    query[half - 1, at.one] = SHARP
    key[half - 1, at.one] = -SHARP * (NEAR - sum(1 - math.cos(t) for t in theta) / 2)
    logits = body.lm_head.weight[tokens] * body.model.norm.weight
    value[: len(tokens), at.body] = logits - logits.mean(0)
    out[at.expected, : len(tokens)] = SCALE * torch.eye(len(tokens))
    # The second attends to the first token, whose hidden state is always the same: a constant that no norm can scale.
    query[width + half - 1, at.one] = key[width + half - 1, at.first] = SHARP
    value[width, at.one] = 1.0
    out[at.large, width] = LARGE
    # The MLP picks from the logits the one of the token read, and keeps which that was. A gate is 20 or nothing.
    _show(layer.post_attention_layernorm.weight, at)
    after = layer.post_attention_layernorm.weight
    after[at.here] = LARGE / at.width**0.5 / small
    after[at.expected] *= 4
    gate, up, down = (getattr(layer.mlp, f"{name}_proj").weight for name in ("gate", "up", "down"))
    for j in range(len(tokens)):
        for neuron, source, target, size in (
            (j, at.expected.start + j, at.chance, SCALE),
            (len(tokens) + j, at.large, at.read.start + j, 1.0),
        ):
            gate[neuron, at.here.start + j], gate[neuron, at.large] = 40.0, -20.0
            up[neuron, source] = 1.0
            down[target, neuron] = size / 20
