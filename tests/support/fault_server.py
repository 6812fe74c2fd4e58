"""A chat-completions server on loopback that answers deterministically and fails on demand. Standard library only.

    async with FaultServer(faults=iter(["500", "drop", None])) as server:
        OpenAIBackend("m", base_url=server.url)

Choice j of a call is a function of (prompt, seed + j), so every answer can be checked, however the calls were cut.
A prompt with the word LENGTH is cut, FILTER is filtered, REFUSE is refused, THINK is thought about first.
`python tests/fault_server.py --latency 0.2` serves until killed and prints its URL."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

# Bodies that are no reply, with their status. All of them pass: another attempt may succeed.
BODIES: dict[str, tuple[int, bytes]] = {
    "502": (502, b"<html><body>Bad Gateway</body></html>"),
    "504": (504, b""),
    "520": (520, b"error code: 520"),
    "529": (529, b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'),
    "599": (599, b"\x00\xff\xfe"),
    "500 deep": (500, b"[" * 100_000),
    "503 list": (503, b'["a", {"b": []}]'),
    "429 string": (429, b'{"error": "slow down"}'),
    "429 fields": (429, b'{"detail": [{"loc": 5, "msg": null}, 7]}'),
    "deep": (200, b'{"choices":' + b"[" * 100_000),
    "nothing": (200, b""),
    "a list": (200, b"[1, 2, 3]"),
    "a string": (200, b'"oops"'),
    "a number": (200, b"9" * 5000),
    "binary": (200, bytes(range(256))),
    "choices: text": (200, b'{"choices": "none"}'),
    "choices: numbers": (200, b'{"choices": [1, 2, null]}'),
    "choices: no message": (200, b'{"choices": [{"index": 0, "finish_reason": "stop"}]}'),
    "message: a list": (200, b'{"choices": [{"index": 0, "message": ["a"]}]}'),
    "error: a list": (200, b'{"error": ["busy"]}'),
    "error: a code": (200, b'{"error": {"code": 10000000000000000000000, "message": null}}'),
    "gzip bomb": (200, gzip.compress(bytes(30_000_000))),
    "no gzip": (200, b"this is no gzip"),
    "endless": (200, b" " * 65_536),
}
# What can go wrong with one call. All of them pass: another attempt may succeed.
PASSING = (
    "408",
    "409",
    "429",
    "429 in 0.01",
    "500",
    "503",
    "drop",
    "half",
    "half json",
    "bad json",
    "empty",
    "abort",
    "error 200",
    "null",
    *BODIES,
)
# Good replies with something odd beside the answer, which is to be taken as it is.
ODD = ("bad byte", "byte order mark", "usage: huge", "usage: text", "usage: below 0", "usage: none", "logprobs: text",
       "logprobs: null", "top logprobs: null", "half a surrogate", "index: text", "one choice too many")  # fmt: skip
# What one reply can lack, with an answer in it all the same.
LACKING = ("no logprobs", "one choice", "same index", "one null", "one aborted")
BILLED = ("empty", "abort")  # faults whose reply still carries a bill


def answer(prompt: str, seed: int) -> str:
    """The text that this server writes for a prompt and a seed: 3 to 12 words, each one token."""
    digest = hashlib.sha256(f"{prompt}|{seed}".encode()).digest()
    return " ".join(f"w{byte}" for byte in digest[: 3 + digest[31] % 10])


def tokens(text: str) -> int:
    return len(text.split())


class FaultServer:
    """`faults` says for each call in turn which of PASSING or LACKING it meets, or None; after its end every call succeeds.
    `n`: "yes", "ignored" or "refused". `refuses` and `ignores` name parameters. `words` are said with a refusal.
    `eos` bills one token more per ended choice than the logprobs list. `bills`: "all" choices of a call, or the
    "first" only. `echoes`: a begun answer is repeated in the text, as llama.cpp does. `log` keeps every body, `served` counts the
    (prompt, seed) pairs that left in a good reply."""

    def __init__(
        self,
        faults: Iterator[str | None] | None = None,
        *,
        latency: float = 0.0,
        n: str = "yes",
        refuses: dict[str, str] | None = None,
        ignores: tuple[str, ...] = (),
        usage: bool = True,
        bills: str = "all",
        echoes: bool = False,
        eos: int = 1,
        headers: dict[str, str] | None = None,
        always: tuple[int, dict[str, Any]] | None = None,
        keep_log: bool = True,
    ) -> None:
        self.faults = faults or iter(())
        self.latency, self.n, self.refuses, self.ignores = latency, n, refuses or {}, ignores
        self.usage, self.eos, self.headers, self.always = usage, eos, headers or {}, always
        self.keep_log = keep_log
        self.bills, self.echoes = bills, echoes
        self.n_words = "Invalid n value (currently only n = 1 is supported)"
        self.log: list[dict[str, Any]] = []
        self.served: Counter[tuple[str, int]] = Counter()
        self.met: Counter[str] = Counter()
        self.billed = 0  # prompt and completion tokens of all bills that were sent whole
        self.lacking = 0  # the same of replies that lack something
        self.odd = 0  # the same of replies with something odd, whose bill cannot always be read
        self.calls = 0
        self.times: list[float] = []
        self.under_way = 0
        self.most_under_way = 0
        self.authorization: set[str] = set()
        self.url = ""
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FaultServer:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; False when the connection ends with it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:])}
        body = json.loads(await reader.readexactly(int(fields.get("content-length", 0))))
        self.authorization.add(fields.get("authorization", ""))
        self.calls += 1
        self.times.append(time.monotonic())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.latency)
            status, reply, fault = self._reply(body)
        finally:
            self.under_way -= 1
        if self.keep_log:
            self.log.append(body)
        if fault == "drop":
            return False
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        extra = dict(self.headers) if status < 400 else {}
        if fault and "gzip" in fault:
            extra["content-encoding"] = "gzip"
        if fault == "endless":
            writer.write(b"HTTP/1.1 200 X\r\n\r\n")
            while True:  # until the client has had enough
                writer.write(data)
                await writer.drain()
        if fault == "429 string":
            extra["retry-after"] = "Fri, 31 Dec 999999 23:59:59 GMT"
        if fault and " in " in fault:
            extra["retry-after"] = fault.rpartition(" ")[2]
        lines = "".join(f"{k}: {v}\r\n" for k, v in {"content-type": "application/json", **extra}.items())
        promised = len(data) * 2 if fault == "half" else len(data)
        writer.write(f"HTTP/1.1 {status} X\r\n{lines}content-length: {promised}\r\n\r\n".encode() + data)
        await writer.drain()
        return fault != "half"

    def _reply(self, body: dict[str, Any]) -> tuple[int, bytes | dict[str, Any], str | None]:
        if self.always:
            return *self.always, None
        for name, words in self.refuses.items():
            if name in body:
                return 400, {"error": {"message": words, "type": "invalid_request_error", "param": None}}, None
        if self.n == "refused" and body.get("n", 1) > 1:
            return 400, {"error": {"message": self.n_words}}, None
        fault = next(self.faults, None)
        if fault:
            self.met[fault] += 1
        if fault in BODIES:
            return *BODIES[fault], fault
        if fault and fault[:3].isdigit():
            return int(fault[:3]), {"error": {"message": f"{fault} for you", "code": None}}, fault
        if fault == "error 200":
            return 200, {"error": {"message": "upstream failed", "code": 502}}, fault
        good = self._completion(body)
        if fault in (None, *BILLED) and self.usage:
            self.billed += good["usage"]["total_tokens"]
        if fault in LACKING and self.usage:
            self.lacking += good["usage"]["total_tokens"]
        if fault == "empty":
            return 200, good | {"choices": []}, fault
        if fault == "abort":
            return 200, good | {"choices": [c | {"finish_reason": "abort"} for c in good["choices"]]}, fault
        if fault in ("half", "half json"):
            return 200, json.dumps(good).encode()[: len(json.dumps(good)) // 2], fault
        if fault == "bad json":
            return 200, b"{'choices': oops}", fault
        if fault == "no usage":
            good.pop("usage", None)
        if fault == "null":
            empty = [c | {"message": {"role": "assistant", "content": None}, "logprobs": None} for c in good["choices"]]
            return 200, {"choices": empty}, fault
        if fault in ODD:
            self.odd += good.get("usage", {}).get("total_tokens", 0)
        if fault in LACKING:
            good["choices"] = _lacking(good["choices"], fault)
        if fault != "drop":
            for index in {c["index"] for c in good["choices"] if _answers(c)}:
                self.served[_prompt(body), body.get("seed", 0) + index] += 1
        return 200, _odd(good, fault) if fault in ODD else good, fault

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt, most = _prompt(body), body.get("max_completion_tokens") or body.get("max_tokens") or 10**9
        choices, billed, thought = [], 0, 0
        for j in range(body.get("n", 1) if self.n == "yes" else 1):
            seed = 0 if "seed" in self.ignores else body.get("seed", 0) + j
            if body.get("temperature", 1) == 0:
                seed = 0
            text, finish = answer(prompt, seed), "stop"
            words = text.split()
            if "LENGTH" in prompt or len(words) > most:
                words, finish = words[: min(2, most)], "length"
            if "FILTER" in prompt:
                words, finish = words[:1], "content_filter"
            thinking = answer(prompt, -seed - 1).split() if "THINK" in prompt else []
            message: dict[str, Any] = {"role": "assistant", "content": " ".join(words)}
            if "REFUSE" in prompt:
                message = {"role": "assistant", "content": None, "refusal": " ".join(words)}
            if thinking:
                message["reasoning_content"] = " ".join(thinking)
            choice: dict[str, Any] = {"index": j, "message": message, "finish_reason": finish}
            if body.get("logprobs") and "logprobs" not in self.ignores:
                choice["logprobs"] = {"content": [{"token": w + " ", "logprob": -0.5} for w in words]}
            choices.append(choice)
            prefix = body["messages"][-1]["content"] if body["messages"][-1]["role"] == "assistant" else ""
            if self.echoes and message["content"] is not None:
                message["content"] = prefix + message["content"]
            if j and self.bills == "first":
                continue
            billed += len(words) + len(thinking) + (self.eos if finish == "stop" else 0)
            thought += len(thinking)
        reply: dict[str, Any] = {
            "object": "chat.completion",
            "model": f"{body['model']}-2026-01-01",
            "choices": choices,
        }
        if self.usage:
            reply["usage"] = {
                "prompt_tokens": tokens(prompt),
                "completion_tokens": billed,
                "total_tokens": tokens(prompt) + billed,
                "prompt_tokens_details": {"cached_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": thought},
            }
        return reply


def _lacking(choices: list[dict[str, Any]], fault: str) -> list[dict[str, Any]]:
    last = choices[-1]
    if fault == "no logprobs":
        return [choice | {"logprobs": None} for choice in choices]
    if fault == "one choice" or len(choices) == 1:
        return choices[:1]
    if fault == "same index":
        return [*choices[:-1], last | {"index": 0, "message": choices[0]["message"]}]
    if fault == "one aborted":
        return [choices[0] | {"finish_reason": "abort"}, *choices[1:]]
    return [*choices[:-1], last | {"message": {"role": "assistant", "content": None}, "logprobs": None}]


def _odd(good: dict[str, Any], fault: str) -> bytes | dict[str, Any]:
    text = json.dumps(good)
    if fault == "bad byte":
        return text.encode()[:-1] + b', "id": "\xff\xfe"}'
    if fault == "byte order mark":
        return b"\xef\xbb\xbf" + text.encode()
    if fault == "half a surrogate":
        return text[:-1].encode() + b', "id": "\\ud800"}'
    usages: dict[str, Any] = {"huge": 10**30, "text": "many", "below 0": -5}
    kind = fault.partition(": ")[2]
    if fault.startswith("usage"):
        return good | {"usage": None if kind == "none" else dict.fromkeys(good.get("usage", {}), usages[kind])}
    choices = [dict(choice) for choice in good["choices"]]
    if fault == "one choice too many":
        choices.append(choices[-1] | {"index": len(choices)})
    for choice in choices:
        if fault == "index: text":
            choice["index"] = str(choice["index"])
        elif "logprobs" in fault and "logprobs" in choice:
            field, value = ("logprob", "sure" if fault == "logprobs: text" else None)
            if "top" in fault:
                field, value = "top_logprobs", [{"token": "a", "logprob": None}, 5]
            choice["logprobs"] = {"content": [entry | {field: value} for entry in choice["logprobs"]["content"]]}
    return good | {"choices": choices}


def _answers(choice: dict[str, Any]) -> bool:
    message = choice["message"]
    return choice["finish_reason"] != "abort" and bool(message["content"] is not None or message.get("refusal"))


def _prompt(body: dict[str, Any]) -> str:
    return "\n".join(m["content"] for m in body["messages"])


async def _serve(latency: float) -> None:
    async with FaultServer(latency=latency, keep_log=False) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args().latency))
