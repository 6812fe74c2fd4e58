"""How one server wants a chat-completions request: what to send at first, and what its refusals teach.

A parameter is dropped or renamed only where the samples stay what was asked for. Anything else is an error."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from urllib.parse import urlsplit

from ttc_bench.backends.api.choices import split_thinking
from ttc_bench.backends.api.replies import Reply
from ttc_bench.backends.api.token_counts import Billing
from ttc_bench.core import Request
from ttc_bench.errors import BackendError

NO_TOP_K = -1  # "the whole vocabulary" for vLLM, SGLang and llama.cpp alike; 0 is refused by some of them
CONTINUE = {"continue_final_message": True, "add_generation_prompt": False}  # vLLM, SGLang; llama.cpp needs neither
THOUGHT = "reasoning_content"  # llama.cpp's field for thinking, in messages as in replies
TOP_LOGPROBS = 20  # the most that OpenAI and vLLM list
MISSES = 2  # replies in a row that do without something asked for: the server does not do it
AGAIN = 32  # answered calls after which what a server did not do is asked for once more, then twice as many
_UNKNOWN = re.compile(
    r"unsupported|not supported|not compatible|unrecognized|unknown|unexpected|extra|not permitted|not allowed"
    r"|instead|deprecated|not available",
    re.IGNORECASE,
)
_N = re.compile(
    r"""['"`]n['"`]|\bparam(?:eter)?:?\s+n\b|\bn\b\s*(?:=|>|<|≤|must|is|value|should)"""
    r"|n_cmpl|completion choice|one choice",
    re.IGNORECASE,
)
_AT_MOST = re.compile(r"1 <= value <= (\d{1,6})\b")  # llama.cpp: a call may ask for as many choices as it has slots


def first_seed(request: Request) -> int:
    """The seed of sample 0, below 2**31, derived from the request's address. Sample i has this seed + i.

    vLLM seeds choice j of a call with n > 1 by seed + j, so there a sample is the same in whatever call it comes."""
    return int(hashlib.sha256(request.address.encode()).hexdigest()[:8], 16) % (2**31 - 2**20)


class Ability:
    """Something that a server may do or leave undone without a word. Given up after MISSES replies in a row without
    it, for one reply can be a replica's or a gateway's; asked for again later, and then one miss is enough."""

    def __init__(self, on: bool = True) -> None:
        self.on = on
        self._allowed = on
        self._misses = 0
        self._pause = AGAIN
        self._left = 0

    def seen(self, there: bool) -> bool:
        """Hears whether a reply to a call that asked for it had it; True where it is given up by this."""
        if there:
            self._misses, self._pause, self.on = 0, AGAIN, self._allowed
            return False
        self._misses += 1
        if not self.on or self._misses < MISSES:
            return False
        self.on, self._left = False, self._pause
        self._pause *= 2
        return True

    def unasked(self) -> None:
        """Hears of an answered call that did not ask for it."""
        self._left -= 1
        if not self.on and self._allowed and self._left <= 0:
            self.on = True

    def forbid(self) -> None:
        """Never asks for it again."""
        self.on = self._allowed = False


class Dialect:
    """What one server takes. Starts from the widest form and narrows with each refusal; `notes` says so once."""

    def __init__(self, base_url: str, *, logprobs: bool = True) -> None:
        host = urlsplit(base_url).hostname or ""
        # OpenAI's defaults are known (temperature 1, top_p 1, nothing else cut off) and its reasoning models refuse
        # even those values. Other servers have defaults of their own, so they are told every one.
        self.openai = host == "api.openai.com" or host.endswith((".api.openai.com", ".openai.azure.com"))
        self.limit = "max_completion_tokens" if self.openai else "max_tokens"
        self._n = Ability()
        self._cap = 10**9
        self._logprobs = Ability(logprobs)
        self.billing = Billing()
        self.parted: bool | None = None  # begun thinking is a field of its own; None: not known yet
        self.generation_config = False  # `transformers serve`: all decoding parameters in one JSON field
        self.dropped: set[str] = set()
        self.version = 0  # grows with every lesson
        self.notes: list[str] = []

    @property
    def n(self) -> bool:
        """Whether a call may ask for several choices."""
        return self._n.on

    def most(self, samples: int) -> int:
        """How many of so many samples one call may ask for."""
        return min(samples, self._cap) if self.n else 1

    @property
    def logprobs(self) -> bool:
        """Whether calls ask for token lists with log-probabilities."""
        return self._logprobs.on

    @property
    def signals(self) -> frozenset[str]:
        """{"logprob"}, until the server turns out not to give any."""
        return frozenset({"logprob"} if self.logprobs else ())

    def note(self, text: str) -> None:
        """Says something about the server once."""
        if text not in self.notes:
            self.notes.append(text)

    def body(self, name: str, request: Request, seed: int, n: int) -> dict[str, Any]:
        """The JSON body that asks model `name` for `n` samples, the first of them with this seed."""
        greedy = request.temperature == 0
        body: dict[str, Any] = {
            "model": name,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            self.limit: request.max_tokens,
        }
        if self.generation_config:
            sampling = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
            sampling |= {"min_p": request.min_p} if request.min_p else {}
            settings = {"do_sample": not greedy, "max_new_tokens": request.max_tokens} | ({} if greedy else sampling)
            body["generation_config"] = json.dumps(settings)
        else:
            default = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
            for key, neutral in default.items():
                value = getattr(request, key)
                if value != neutral or not (self.openai or key in self.dropped):
                    body[key] = NO_TOP_K if key == "top_k" and not value else value
        if request.prefix:
            body["messages"].append(self._begun(request.prefix))
            body |= CONTINUE
        if request.choices and self.logprobs:
            body["top_logprobs"] = TOP_LOGPROBS
        if request.stop:
            body["stop"] = list(request.stop)
        if request.reasoning_effort is not None:
            body["reasoning_effort"] = request.reasoning_effort
        if "seed" not in self.dropped:
            body["seed"] = seed
        if self.logprobs:
            body["logprobs"] = True
        if n > 1:
            body["n"] = n
        return body

    def _begun(self, prefix: str) -> dict[str, str]:
        """The assistant's message to go on from. llama.cpp takes thinking apart from the answer where the model's
        template has a place for it, and would close it before a <think> in the text; others take the text."""
        thought, answer = split_thinking(prefix)
        if thought and self.parted is not False:
            return {"role": "assistant", "content": answer, THOUGHT: thought}
        return {"role": "assistant", "content": prefix}

    def learn(self, sent: dict[str, Any], request: Request, words: str, param: str | None = None) -> bool:
        """Whether the refusal `words` of a body teaches a form that asks for the same samples; adopts it if so.

        Raises:
            BackendError: the server refuses the temperature that was asked for.
        """
        learned = self._lesson(sent, request, words, [key for key in sent if _names(key, words, param)])
        self.version += learned
        return learned

    def _lesson(self, sent: dict[str, Any], request: Request, words: str, named: list[str]) -> bool:
        if (
            not self.generation_config
            and "Unexpected fields in the request" in words
            and not {"top_k", "min_p"}.isdisjoint(named)
        ):
            self.generation_config = True
            self.note(
                "the server reads decoding parameters from generation_config only (`transformers serve`): sent so"
            )
            return True
        if "n" in named and (match := _AT_MOST.search(words)) and 1 < int(match[1]) < sent["n"]:
            self._cap = int(match[1])
            self.note(f"the server takes at most {self._cap} choices per call")
            return True
        if "n" in named:
            self._n.forbid()
            self.note(f"the server refuses n ({words}): one call per sample, each paying its prompt")
            return True
        if "logprobs" in named:
            self._logprobs.forbid()
            self.note("the server gives no logprobs: no logprob score, token counts of shared calls are estimates")
            return True
        if "seed" in named:
            self.dropped.add("seed")
            self.note("the server refuses seeds: these samples cannot be drawn again")
            return True
        if self.parted is None and THOUGHT in words:
            self.parted = False
            return True
        if not CONTINUE.keys().isdisjoint(named):
            raise BackendError(
                f"the server cannot go on from a begun answer ({words}): no --wait, no --verifier p-true, and "
                "--thinking-budget with --budget-mode rerun only",
                fatal=True,
            )
        for key in ("top_k", "min_p"):
            if key in named and not getattr(request, key):
                self.dropped.add(key)
                self.note(f"the server refuses {key}: if it has a default of its own, that cannot be switched off")
                return True
        if self.limit in named and _UNKNOWN.search(words) and "limit" not in self.dropped:
            self.dropped.add("limit")  # renamed once: a server that refuses both names is an error
            self.limit = "max_tokens" if self.limit == "max_completion_tokens" else "max_completion_tokens"
            return True
        for key in ("temperature", "top_p"):
            if key in named and getattr(request, key) == 1.0:
                self.dropped.add(key)
                self.note(f"the server refuses {key}: left at its default, 1")
                return True
        if "temperature" in named:
            raise BackendError(
                f"the server refuses temperature {request.temperature:g} ({words}); pass --temperature 1", fatal=True
            )
        return False

    def heed(self, reply: Reply, sent: dict[str, Any], request: Request) -> None:
        """Learns from what a reply shows of what the body `sent` asked for."""
        self.billing = reply.billing
        if self.parted is None and (reply.llama_cpp is False or reply.thinks):
            self.parted = reply.llama_cpp and reply.thinks
        for note in reply.notes:
            self.note(note)
        asked = sent.get("n", 1)
        if asked == 1:
            self._n.unasked()
        elif self._n.seen(reply.returned >= asked):
            self.note(f"the server returned {reply.returned} of {asked} choices: one call per sample from here on")
        if not reply.sound and self.n:
            self._n.forbid()
            self.note("calls for several choices cannot be counted here: one call per sample from here on")
        texts = [c for c in reply.completions if c.text]
        if "logprobs" not in sent:
            self._logprobs.unasked()
        elif texts and self._logprobs.seen(all(c.signals for c in texts)):
            self.note("the server ignores logprobs: no logprob score, token counts of shared calls are estimates")
        counts = [c.usage.completion for c in reply.completions if c.usage.source == "api"]
        if any(tokens > request.max_tokens + 1 for tokens in counts):  # + 1: some bill the end-of-text token on top
            self.note(f"the server ignores {self.limit}: texts are longer than --max-tokens")
        if reply.filtered:
            self.note("the server's content filter cut some texts: they count as truncated")

    def lost(self, reply: Reply, sent: dict[str, Any]) -> bool:
        """Did the server drop the begun thinking that it was sent apart? Then the next call sends it as text. A server
        that goes on from it repeats it in its reply."""
        if THOUGHT not in sent["messages"][-1]:
            return False
        if self.parted is None:
            self.parted = reply.repeats
        return not reply.repeats

    def likely_reason(self) -> str:
        """Why samples of one request at temperature > 0 may all be the same text here."""
        if self.generation_config:
            return "the server does not sample: its generation_config field is ignored or overridden"
        if "temperature" in self.dropped or self.openai:
            return "the model is near-deterministic on these prompts"
        return "the server seems to ignore temperature or seed (do_sample off in its generation defaults?)"


def _names(key: str, words: str, param: str | None) -> bool:
    if param is not None and key == param.rsplit(".", 1)[-1]:
        return True
    if key == "n":
        return bool(_N.search(words))
    return bool(re.search(rf"(?<!\w){re.escape(key)}(?!\w)", words))
