"""Run a command in a container over a websocket that carries several streams.

The first byte of each message is its stream: 0 stdin, 1 stdout, 2 stderr, 3 the verdict. Protocol v4 cannot close stdin
alone, so a program that must know where its input ends is told its length; v5 closes it. Opened by GET, so that an
audit log shows no mutation for a look inside.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from kolla_k8s.adapters.aio import aiohttp
from kolla_k8s.adapters.wire import Wire
from kolla_k8s.errors import OutsideError
from kolla_k8s.ports import Command, ExecResult

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, VERDICT = range(4)
CLOSE_STDIN = bytes([255, STDIN])
_CHUNK = 32 * 1024
_LONGEST = 1 << 20
_MEANING = {404: "the pod is not there", 400: "the container is not there or does not run"}


async def execute(wire: Wire, path: str, container: str, command: Command) -> ExecResult:
    """Run a command and wait for its end; exit code -1 and the reason in stderr when it could not be run.

    Raises:
        OutsideError: It is not allowed.
    """
    query = [("container", container), ("stdout", "1"), ("stderr", "1"), *(("command", word) for word in command.words)]
    query += [("stdin", "1")] if command.stdin else []
    try:
        async with asyncio.timeout(command.timeout_s):
            return await _talk(wire, path, query, command.stdin.encode())
    except aiohttp.WSServerHandshakeError as error:
        if error.status in (401, 403):
            fact = f"does not allow exec ({path}: status {error.status})"
            raise OutsideError(wire.access.url, fact, "ask for the right to get and create pods/exec") from None
        return _not_run(_MEANING.get(error.status, f"the API answered {error.status}"))
    except (aiohttp.ClientError, OSError) as error:
        return _not_run(str(error) or f"no answer within {command.timeout_s:.0f} s")


async def _talk(wire: Wire, path: str, query: list[tuple[str, str]], stdin: bytes) -> ExecResult:
    async with await wire.socket(path, query, (V5, V4)) as talk:
        feeding = asyncio.create_task(_feed(talk, stdin))
        try:
            return await _hear(talk)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            await talk.close()


async def _feed(talk: aiohttp.ClientWebSocketResponse, stdin: bytes) -> None:
    for begin in range(0, len(stdin), _CHUNK):
        await talk.send_bytes(bytes([STDIN]) + stdin[begin : begin + _CHUNK])
    if stdin and talk.protocol == V5:
        await talk.send_bytes(CLOSE_STDIN)


async def _hear(talk: aiohttp.ClientWebSocketResponse) -> ExecResult:
    """Read every stream to its end; what is longer than 1 MiB is cut."""
    heard = {STDOUT: bytearray(), STDERR: bytearray(), VERDICT: bytearray()}
    async for message in talk:
        data = message.data if isinstance(message.data, bytes) else str(message.data).encode()
        if data and data[0] in heard:
            stream = heard[data[0]]
            stream += data[1 : 1 + _LONGEST - len(stream)]
    stdout, stderr = (heard[key].decode(errors="replace") for key in (STDOUT, STDERR))
    code, why = _verdict(bytes(heard[VERDICT]))
    return ExecResult(code, stdout, f"{stderr}{why}")


def _verdict(status: bytes) -> tuple[int, str]:
    """Exit code, and why there is none (then it is -1)."""
    broken = {"message": "the line broke before the command ended"}
    said: dict[str, Any] = json.loads(status) if status else broken
    if said.get("status") == "Success":
        return 0, ""
    causes = said.get("details", {}).get("causes") or ()
    code = next((cause["message"] for cause in causes if cause.get("reason") == "ExitCode"), None)
    return (int(code), "") if code is not None else (-1, str(said.get("message", "no verdict")))


def _not_run(why: str) -> ExecResult:
    return ExecResult(-1, "", why)
