"""The one place where the openai SDK, HTTP and keys are touched. Every failure leaves it as `Passing`, `Refused` or
`BackendError`, in words without secrets."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from ttc_bench.core import Request, Usage
from ttc_bench.errors import BackendError, MemberLost, PromptTooLong

if TYPE_CHECKING:
    from httpx2 import URL, AsyncClient, Headers, Response

KEY = "OPENAI_API_KEY"
CONNECT_S = 10.0
FRAME_BYTES = 2**20  # of a reply, whatever was asked for
TOKEN_BYTES = 128  # of a token's text, or of its entry in a list, on average and escaped
LISTED = 20  # alternatives of a token
MAY_PASS = {408, 409, 429}  # and everything from 500
LOST = {"timeout", "lost", "invalid JSON", "too long", "cut short"}  # failures after which the bill is not known
OVERLOAD = {408, 429, 503, 529}
NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}  # as 429, but no wait helps
FILTERED = {"content_filter", "invalid_prompt", "content_policy_violation"}  # the prompt itself is not let through
_SECRET = re.compile(r"\b(?:sk|key|gsk|xai|hf)[-_][\w*.-]{6,}|(?<=Bearer )\S+", re.IGNORECASE)
_TOO_LONG = (
    re.compile(r"maximum context length is (?P<context>\d+).*?resulted in (?P<tokens>\d+)", re.DOTALL),
    re.compile(r"maximum context length is (?P<context>\d+).*?\((?P<tokens>\d+) in the (?:messages|prompt)", re.DOTALL),
    re.compile(r"maximum context length is (?P<context>\d+).*?request has (?P<tokens>\d+) input tokens", re.DOTALL),
    re.compile(r"request \((?P<tokens>\d+) tokens\) exceeds the available context size \((?P<context>\d+) tokens"),
)


class Passing(Exception):
    """A failure that another attempt may not meet. `kind` names it in counts; `wait` is what the server asked for."""

    def __init__(
        self,
        words: str,
        kind: str,
        *,
        headers: Mapping[str, str] | None = None,
        overload: bool = False,
        wasted: Usage | None = None,
    ) -> None:
        super().__init__(words)
        self.kind = kind
        self.headers = headers or {}
        self.overload = overload
        self.wasted = wasted or Usage()
        self.wait = 0.0

    @property
    def unbilled(self) -> bool:
        """Whether the call may have been billed, and no bill came."""
        return self.kind in LOST and not (self.wasted.prompt or self.wasted.completion)


class Refused(Exception):
    """A 4xx that no retry mends: the server's words, and the parameter they are about where it says so."""

    def __init__(self, status: int, words: str, param: str | None, code: str | None) -> None:
        super().__init__(words)
        self.status, self.words, self.param, self.code = status, words, param, code


class Wire:
    """Posts chat-completions bodies to one endpoint. Connects, and reads the key, at the first call."""

    def __init__(self, base_url: str, *, timeout_s: float, connections: int) -> None:
        self.base_url = base_url
        self.timeout_s = timeout_s
        self.connections = connections
        self.reached = False  # did anything ever listen there
        self._http: AsyncClient | None = None
        self._url: URL | str = ""
        self._key = ""

    async def post(self, body: dict[str, Any]) -> tuple[object, Mapping[str, str]]:
        """The parsed JSON of the reply, and its headers about rate limits.

        Raises:
            Passing: no reply, half a reply, or a status that may pass.
            Refused: any other status.
            BackendError: fatal; no key, no money, or no API at this address.
        """
        import httpx2
        from aiohttp import ClientConnectorError, ClientError

        http = self._http or self._connect()
        try:
            async with asyncio.timeout(self.timeout_s):
                content = json.dumps(body).encode()
                async with http.stream("POST", self._url, content=content) as response:
                    data = await self._bounded(response, reply_bytes(body))
        except TimeoutError:
            self.reached = True
            raise Passing(f"no reply within {self.timeout_s:g} s", "timeout", overload=True) from None
        except (httpx2.HTTPError, ClientError, OSError) as error:
            # Both libraries rename what happened below them; the name nearest to the socket tells most.
            causes = list(_causes(error))
            refused = any(isinstance(cause, ClientConnectorError) for cause in causes)
            self.reached |= not refused
            words = self.scrub(next((str(cause) for cause in reversed(causes) if str(cause)), type(error).__name__))
            kind = "connection" if refused else "lost"  # a server that was reached may have begun to answer
            raise Passing(f"connection failed: {words}", kind, overload=refused) from None
        self.reached = True
        if 300 <= response.status_code < 400:
            raise self._moved(response)
        try:
            if response.status_code >= 300:
                raise self._failure(response.status_code, _error(data), response.headers)
            return self._parse(data, response.headers), _limits(response.headers)
        except RecursionError:
            raise Passing(f"JSON nested too deep in a reply of {len(data)} bytes", "invalid JSON") from None

    def _moved(self, response: Response) -> BackendError:
        """A redirect is not followed: the prompts would go, and the answers come, from an address nobody named."""
        there = urlsplit(urljoin(str(self._url), response.headers.get("location", "")))
        address = self.scrub(f"{there.scheme}://{there.netloc.rpartition('@')[2]}{there.path}")
        return MemberLost(
            f"{self.base_url} redirects to {address.removesuffix('/chat/completions')}, where the prompts would go; if that "
            "is right, give it with --base-url",
            fatal=True,
        )

    async def _bounded(self, response: Response, most: int) -> bytes:
        """The decoded body, unless it is longer than a reply can be: it is never held whole, nor unpacked whole."""
        self.reached = True
        parts, size = [], 0
        async for part in response.aiter_bytes():
            parts.append(part)
            if (size := size + len(part)) > most:
                raise Passing(f"a reply of more than {most:,} bytes, the most that --max-tokens allows", "too long")
        return b"".join(parts)

    async def close(self) -> None:
        if self._http:
            await self._http.aclose()
            self._http = None

    def scrub(self, words: str) -> str:
        """One line without the key, or anything that looks like one."""
        if self._key:
            words = words.replace(self._key, "[key]")
        words = " ".join(_SECRET.sub("[key]", words).split())
        return words if len(words) <= 300 else words[:297] + "..."

    def _connect(self) -> AsyncClient:
        """The SDK's HTTP client (on aiohttp, whose cost per call does not grow with the number of connections), with
        the SDK's headers: key, organisation and project from the environment.

        Calls go to it directly. The SDK's own request methods would double the client's CPU per call and build a model
        of every token's logprob, and their retries and parsing are done here, where a bill or a fault is not lost."""
        import httpx2
        import openai

        self._url = httpx2.URL(f"{self.base_url}/chat/completions")
        local = is_loopback(self.base_url)
        self._key = os.environ.get(KEY, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise BackendError(f"{KEY} holds a character that no key has: set it again", fatal=True)
        if not self._key and not local:
            raise BackendError(f"{self.base_url} needs a key: set the environment variable {KEY}", fatal=True)
        limits = httpx2.Limits(max_connections=self.connections, keepalive_expiry=30.0)
        timeout = httpx2.Timeout(None, connect=CONNECT_S)  # the whole attempt is timed in `post`
        self._http = openai.DefaultAioHttpClient(
            limits=limits, timeout=timeout, trust_env=not local, follow_redirects=False
        )
        sdk = openai.AsyncOpenAI(api_key=self._key or "none", base_url=self.base_url, http_client=self._http)
        headers = {**sdk.default_headers, **sdk.auth_headers}
        wanted = {k: v for k, v in headers.items() if isinstance(v, str) and not k.startswith("X-Stainless")}
        self._http.headers.update(wanted)  # without the SDK's ten about itself and this machine
        return self._http

    def _parse(self, content: bytes, headers: Headers) -> object:
        try:
            payload = _json(content)
        except ValueError:
            if "html" in headers.get("content-type", ""):
                raise MemberLost(
                    f"{self.base_url} answers with a web page: give the API's address in --base-url (mostly .../v1)",
                    fatal=True,
                ) from None
            raise Passing(f"invalid JSON in a reply of {len(content)} bytes", "invalid JSON") from None
        if isinstance(payload, dict) and payload.get("error") and not payload.get("choices"):
            error = payload["error"]  # some gateways report failures with status 200
            code = error.get("code") if isinstance(error, dict) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 500
            raise self._failure(status, error, headers)
        return payload

    def _failure(self, status: int, body: object, headers: Headers) -> Passing | Refused | BackendError:
        details = body if isinstance(body, dict) else {}
        words = self.scrub(_words(body)) or "no reason given"
        code, param = details.get("code") or details.get("type"), details.get("param")
        if str(code) in NO_MONEY or status == 402:
            return MemberLost(f"{self.base_url} says there is no money left ({words}): check its billing", fatal=True)
        if status in MAY_PASS or status >= 500:
            return Passing(
                f"status {status}: {words}", str(status), headers=_limits(headers), overload=status in OVERLOAD
            )
        return Refused(status, words, param if isinstance(param, str) else None, str(code))


def reply_bytes(body: dict[str, Any]) -> int:
    """The most bytes that a reply to this body may have: every token of every choice with its text, and where lists
    are asked for, its entry with as many alternatives as llama.cpp gives unasked. The messages may be repeated."""
    tokens: int = body.get("n", 1) * (body.get("max_tokens") or body.get("max_completion_tokens") or 0)
    entries = 1 + (1 + LISTED if body.get("logprobs") else 0)
    return FRAME_BYTES + tokens * entries * TOKEN_BYTES + len(json.dumps(body["messages"]))


def fatal(refusal: Refused, name: str, base_url: str, request: Request) -> BackendError:
    """The error that a refusal ends the run with, or leaves a hole with where only this prompt is not let through."""
    if refusal.code in FILTERED:
        return BackendError(f"the server's content filter refused the prompt: {refusal.words}")
    for pattern in _TOO_LONG:
        if (match := pattern.search(refusal.words)) and int(match["tokens"]) > int(match["context"]):
            return PromptTooLong(request.address, int(match["tokens"]), int(match["context"]))
    check = {
        401: f"check {KEY}",
        403: f"check that this key may use {name}",
        404: f"check the model name '{name}' and --base-url (mostly .../v1)",
        405: "check --base-url (mostly .../v1)",
    }.get(refusal.status)
    said = f"{base_url} refused ({refusal.status}: {refusal.words})"
    if check:  # it is about this server: another of several may take the same call
        return MemberLost(f"{said}; {check}", fatal=True)
    return BackendError(f"{said}; check --max-tokens and the decoding flags", fatal=True)


def clean_url(url: str) -> tuple[str, str]:
    """(the URL without user, password, query, fragment and trailing slash; what was removed, in words).

    Raises:
        BackendError: not an http(s) address.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BackendError("the base URL must look like http://host:port/v1", fatal=True)
    removed = [w for w, found in (("user and password", parts.username), ("query", parts.query)) if found]
    place = parts.netloc.rpartition("@")[2].lower()
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", "")), " and ".join(removed)


def is_loopback(url: str) -> bool:
    """Does this machine itself answer at the URL?"""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__


def _limits(headers: Headers) -> dict[str, str]:
    """The headers that the limiter reads (a look-up in `Headers` costs far more than this walk)."""
    named = ((name.lower(), value) for name, value in headers.raw)
    return {
        n.decode("latin-1"): v.decode("latin-1") for n, v in named if n.startswith((b"retry-after", b"x-ratelimit-"))
    }


def _json(content: bytes) -> object:
    """Parsed JSON; a byte that is no UTF-8 costs one character, not the reply.

    Raises:
        ValueError: no JSON.
    """
    payload: object = json.loads(content.decode("utf-8-sig", "replace"))
    return payload


def _error(content: bytes) -> object:
    """The error in a reply's body: OpenAI puts it under "error", others do not, and proxies write prose."""
    try:
        body = _json(content)
    except ValueError:
        return content[:4096].decode("utf-8", "replace")
    return body.get("error") or body if isinstance(body, dict) else body


def _words(body: object) -> str:
    """What a server's error body says, whichever of the usual shapes it has."""
    if not isinstance(body, dict):
        return body if isinstance(body, str) else json.dumps(body)
    for key in ("message", "detail", "msg", "error"):
        said = body.get(key)
        if isinstance(said, str) and said:
            return said
        if isinstance(said, list):  # FastAPI: one entry per wrong field
            entries = [e for e in said if isinstance(e, dict)]
            return "; ".join(f"{_place(e.get('loc'))}: {e.get('msg')}" for e in entries)
        if isinstance(said, dict):
            return _words(said)
    return json.dumps(body)


def _place(loc: object) -> str:
    return ".".join(map(str, loc)) if isinstance(loc, list) else str(loc or "")
