"""Train a built-in model: a small Llama that answers our own procedural problems, directly or step by step.

    python training/train.py --size medium                    # writes ttc_bench/models/medium
    python training/train.py --size large --checkpoints DIR   # the same, and can go on after a stop: add --resume

The number of training tokens is fixed, and the learning rate follows it, so the same seed gives the same weights on the
same processor and torch release, whether or not the training was interrupted. training_data.py says what is learnt.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from muon import Muon
from training_data import BATCH_TOKENS, CONTEXT, DIRECT, FEW_SHOT, MIX, ROOT, SEED, batches, make_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SIZES = {  # hidden size, layers, heads, intermediate size
    "small": (64, 4, 4, 192),
    "medium": (128, 4, 4, 384),
    "large": (256, 4, 8, 832),
}
TOKENS = 5_200_000  # of training, padding included: the same for every size
RATES = {"muon": 0.015, "adamw": 2e-3}  # matrices of the layers, and everything else
WARMUP, FLOOR = 100, 0.02  # steps of linear warm-up; last learning rate as a share of the highest
CHECKPOINT_SECONDS = 180


def make_model(size: str, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A model with random weights, which depend on SEED alone."""
    hidden, layers, heads, intermediate = SIZES[size]
    torch.manual_seed(SEED)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=intermediate,
        )
    )


def rate(step: int, done: float) -> float:
    """The share of the highest learning rate: a linear warm-up, then a cosine over `done`, the share of the tokens."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return min(1.0, (step + 1) / WARMUP) * (FLOOR + (1 - FLOOR) * cosine)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Weights in bf16: half the size, and exact again when they are loaded as float32. The head is the embedding."""
    weights = {name: t.to(torch.bfloat16) for name, t in model.state_dict().items() if name != "lm_head.weight"}
    model.save_pretrained(out, state_dict=weights)
    tokenizer.save_pretrained(out)


class Training:
    """A model, its optimisers and how far they came. `chunk` numbers the next batches; `smooth` is a running loss."""

    def __init__(self, size: str) -> None:
        self.tokenizer = make_tokenizer()
        self.model = make_model(size, self.tokenizer)
        self.model.train()
        matrices = [p for p in self.model.model.layers.parameters() if p.ndim == 2]
        chosen = {id(p) for p in matrices}
        rest = [p for p in self.model.parameters() if id(p) not in chosen]
        self.optimisers: dict[str, torch.optim.Optimizer] = {
            "muon": Muon(matrices, lr=RATES["muon"]),
            "adamw": torch.optim.AdamW(rest, lr=RATES["adamw"], betas=(0.9, 0.98), weight_decay=0.0),
        }
        self.progress: dict[str, Any] = {
            "chunk": 0,
            "step": 0,
            "tokens": 0,
            "loss_tokens": 0,
            "smooth": None,
            "seconds": 0.0,
        }

    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    def step(self, ids: torch.Tensor, labels: torch.Tensor, total: int) -> None:
        """One update on a batch, both [row, position]; `total` training tokens make the whole learning-rate schedule."""
        at = self.progress
        scale = rate(at["step"], at["tokens"] / total)
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = RATES[name] * scale
        # No attention mask: padding is on the right, where no token that matters can see it.
        hidden = self.model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        logits = self.model.lm_head(hidden[wanted != -100])  # the head runs where there is a loss only
        loss = torch.nn.functional.cross_entropy(logits, wanted[wanted != -100])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers.values():
            optimiser.step()
        self.model.zero_grad()
        at["step"] += 1
        at["tokens"] += ids.numel()
        at["loss_tokens"] += int((wanted != -100).sum())
        at["smooth"] = loss.item() if at["smooth"] is None else 0.98 * at["smooth"] + 0.02 * loss.item()

    def write(self, folder: Path) -> None:
        """A checkpoint: the model as it is now, to be evaluated, and state.pt, to go on from. Replaced in one go, so that
        a stop while writing costs nothing."""
        save(self.model, self.tokenizer, folder)
        state = {"model": self.model.state_dict(), "progress": self.progress}
        state |= {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()}
        torch.save(state, folder / "state.tmp")
        os.replace(folder / "state.tmp", folder / "state.pt")

    def read(self, folder: Path) -> None:
        state = torch.load(folder / "state.pt", weights_only=True)
        self.model.load_state_dict(state["model"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state[name])
        self.progress = state["progress"]

    def run(self, total: int, checkpoints: Path | None = None, every: float = CHECKPOINT_SECONDS) -> None:
        """Goes on until `total` tokens are done. A checkpoint is written every `every` seconds, between two chunks."""
        at, written = self.progress, time.monotonic()
        while at["tokens"] < total:
            start, before = time.monotonic(), at["tokens"]
            for ids, labels in batches(self.tokenizer, at["chunk"]):
                if at["tokens"] < total:
                    self.step(ids, labels, total)
            at["chunk"] += 1
            took = time.monotonic() - start
            at["seconds"] += took
            speed = (at["tokens"] - before) / took
            print(
                f"step {at['step']} loss {at['smooth']:.4f} {speed:.0f} tokens/s {at['tokens'] / total:.1%}", flush=True
            )
            if checkpoints and time.monotonic() - written > every:
                self.write(checkpoints)
                written = time.monotonic()

    def record(self, size: str) -> dict[str, Any]:
        """What training.json says. FLOPs by the usual estimate, 6 for each parameter and token (Kaplan et al. 2020)."""
        at = self.progress
        return {
            "size": size,
            "parameters": self.parameters(),
            "tokens": at["tokens"],
            "answer_tokens": at["loss_tokens"],
            "steps": at["step"],
            "flops": 6 * self.parameters() * at["tokens"],
            "loss": round(at["smooth"], 4),
            "minutes": round(at["seconds"] / 60, 1),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "seed": SEED,
            "batch_tokens": BATCH_TOKENS,
            "rates": RATES,
            "direct_percent": DIRECT,
            "few_shot_percent": FEW_SHOT,
            "mix": MIX,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="medium")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="training tokens (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder of the model (default: ttc_bench/models/SIZE)")
    parser.add_argument("--checkpoints", type=Path, help="folder for a checkpoint every few minutes (default: none)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in that folder")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if args.resume and not (args.checkpoints and (args.checkpoints / "state.pt").exists()):
        parser.error(
            "--resume: no state.pt; expected --checkpoints FOLDER of an interrupted training; leave --resume out"
        )
    torch.set_num_threads(args.threads)
    out = args.out or ROOT / "ttc_bench" / "models" / args.size
    training = Training(args.size)
    if args.resume:
        training.read(args.checkpoints)
    print(f"{args.size}: {training.parameters():,} parameters, vocabulary {len(training.tokenizer)}", flush=True)
    training.run(args.tokens, args.checkpoints)
    save(training.model, training.tokenizer, out)
    record = training.record(args.size)
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record))


if __name__ == "__main__":
    main()
