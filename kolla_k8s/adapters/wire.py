"""One HTTP request to the API, and its repetition: how long, how often, and what may be repeated at all.

Apart from what is asked, so that there is one place where a deadline could be forgotten. What is safe to repeat is
repeated with growing, jittered pauses until an outage has lasted too long; a POST never blindly: whoever sends one says
how to find out whether the lost one was done. Where a hold guards what is changed, it is asked before every try: while
one was lost on a broken line, another run may have taken the cloud.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

from kolla_k8s.adapters.aio import aiohttp
from kolla_k8s.adapters.answers import Answer
from kolla_k8s.errors import OutsideError
from kolla_k8s.ports import Clock

CONNECT_S = 5.0
READ_S = 30.0
OUTAGE_S = 300.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0

Recover = Callable[[], Awaitable[Answer | None]]
Sure = Callable[[], Awaitable[None]]


async def _always() -> None:
    """Nothing guards what is changed."""


class NoAnswerError(Exception):
    """Nothing usable came back; whether the request was carried out is unknown. ``answer`` holds a refusal, if any."""

    def __init__(self, why: str, answer: Answer | None = None) -> None:
        """Say why, in the line's own words."""
        super().__init__(why)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Call:
    """A request: ``path`` without query; ``body`` is sent as JSON."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Access(Protocol):
    """Where the API is and how we show who we are."""

    url: str

    async def headers(self) -> dict[str, str]:
        """Headers that say who asks."""

    def options(self) -> dict[str, Any]:
        """Further arguments of a request: proxy, name in the certificate."""

    async def renew(self) -> None:
        """Read the credentials again."""


class Wire:
    """Requests to one API server."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        access: Access,
        clock: Clock,
        *,
        outage_s: float = OUTAGE_S,
        sure: Sure = _always,
    ) -> None:
        """Send through a session's pool; an outage may last ``outage_s``, and ``sure`` guards changes."""
        self.access = access
        self.clock = clock
        self.sure = sure
        self._session = session
        session._retry_connection = False  # noqa: SLF001 - else aiohttp itself sends a PUT or DELETE again, unasked
        self._outage_s = outage_s
        self._random = random.Random()  # noqa: S311 - jitter

    def held(self, sure: Sure) -> Wire:
        """The same line; ``sure`` is awaited before each try of what may change anything, and refuses it by raising."""
        return Wire(self._session, self.access, self.clock, outage_s=self._outage_s, sure=sure)

    async def ask(self, call: Call, *, outage_s: float | None = None, recover: Recover | None = None) -> Answer:
        """Send until there is a final answer.

        Args:
            call: What to ask.
            outage_s: How long an outage may last, when not as long as usual.
            recover: Asked before a repetition whether the lost request was carried out; its answer then counts.

        Raises:
            OutsideError: The outage lasted too long, or the certificate is not trusted.
            HeldError: The call would change something, and the hold that guards it is lost.
        """
        deadline_s = self.clock.monotonic() + (self._outage_s if outage_s is None else outage_s)
        pause_s, has_renewed = FIRST_PAUSE_S, False
        while True:
            if call.method != "GET":
                await self.sure()
            answer, why = await self._try(call)
            if answer and answer.status == 401 and not has_renewed:
                has_renewed = True
                await self.access.renew()
                continue
            if answer and not answer.may_pass:
                return answer
            is_unsure = answer is None or answer.status != 429
            if recover and is_unsure and (done := await recover()):
                return done
            asked_s = answer.retry_after_s if answer else 0.0
            if self.clock.monotonic() + asked_s + pause_s > deadline_s:
                raise _outage(self.access.url, why + (f"; it asks for a pause of {asked_s:.0f} s" if asked_s else ""))
            await self.clock.sleep(asked_s + pause_s * self._random.uniform(0.5, 1.5))  # not before, not all at once
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _try(self, call: Call) -> tuple[Answer | None, str]:
        try:
            answer = await self.once(call)
        except NoAnswerError as error:
            return None, str(error)
        return answer, f"answered {answer.status}: {answer.json().get('message', '')}".removesuffix(": ")

    async def once(self, call: Call) -> Answer:
        """Send once; raises ``NoAnswerError`` when the line broke or nothing came in time."""
        headers = {"Content-Type": "application/json", **await self.access.headers(), **call.headers}
        data = None if call.body is None else json.dumps(call.body)
        timeout = aiohttp.ClientTimeout(total=READ_S, sock_connect=CONNECT_S)
        url, options = self._url(call.path, call.query), self.access.options()
        try:
            async with self._session.request(
                call.method, url, data=data, headers=headers, timeout=timeout, **options
            ) as answer:
                text = (await answer.read()).decode(errors="replace")
                return Answer(answer.status, text, answer.headers.get("Retry-After", ""))
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            fact = f"has a certificate that is not trusted: {error}"
            raise OutsideError(self.access.url, fact, "name its authority in the kubeconfig") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswerError(str(error) or "no answer in time") from None

    async def lines(self, path: str, query: Mapping[str, str], *, silence_s: float) -> AsyncGenerator[bytes, None]:
        """Lines of an answer that does not end; raises ``NoAnswerError`` when it breaks or is silent for too long."""
        headers = await self.access.headers()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=silence_s)
        url, options = self._url(path, query), self.access.options()
        try:
            async with self._session.get(url, headers=headers, timeout=timeout, **options) as answer:
                if answer.status != 200:
                    text = (await answer.read()).decode(errors="replace")
                    raise NoAnswerError(f"answered {answer.status}", Answer(answer.status, text))
                async for line in answer.content:
                    yield line
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswerError(str(error) or "silent for too long") from None

    async def socket(
        self, path: str, query: list[tuple[str, str]], protocols: tuple[str, ...]
    ) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        """A websocket, to be entered; whoever uses it sets the deadline of the whole talk."""
        headers = await self.access.headers()
        url, options = f"{self.access.url}{path}?{urlencode(query)}", self.access.options()
        timeout = aiohttp.ClientWSTimeout(ws_close=CONNECT_S)
        return self._session.ws_connect(url, headers=headers, protocols=protocols, timeout=timeout, **options)

    def _url(self, path: str, query: Mapping[str, str]) -> str:
        return f"{self.access.url}{path}" + (f"?{urlencode(query)}" if query else "")


def _outage(url: str, why: str) -> OutsideError:
    return OutsideError(url, f"cannot be reached: {why}", "check it and run the same command again")
