"""Running a command over a websocket of several streams, as the kubelet speaks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import WSMsgType, web

from kolla_k8s.adapters.channels import V4, V5
from kolla_k8s.errors import OutsideError
from kolla_k8s.ports import Command, ExecResult
from tests.unit.adapters.scripted import staged

SUCCESS = {"status": "Success"}
FAILURE = {"status": "Failure", "message": "exited", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}
Kubelet = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


def verdict(status: object) -> bytes:
    return b"\3" + json.dumps(status).encode()


async def run(
    kubelet: Kubelet, stdin: str = "", protocols: tuple[str, ...] = (V5, V4), timeout_s: float = 60
) -> ExecResult:
    """Run ``sh -c true`` against a kubelet that is played by a function."""

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=protocols)
        await socket.prepare(request)
        await kubelet(socket, request)
        await socket.close()
        return socket

    async with staged(handle) as stage:
        return await stage.cluster.exec("s", "p", "main", Command(["sh", "-c", "true"], stdin, timeout_s))


async def test_streams_come_apart() -> None:
    """
    Each stream is put together from its messages; the verdict is the exit code.
    """

    async def kubelet(socket: web.WebSocketResponse, request: web.Request) -> None:
        assert "/api/v1/namespaces/s/pods/p/exec" == request.path
        assert ["sh", "-c", "true"] == request.query.getall("command")
        assert "stdin" not in request.query
        for data in (b"\1out", b"\2err", b"\1put", b"", b"\1", b"\2or", b"\x09unknown", verdict(SUCCESS)):
            await socket.send_bytes(data)

    assert ExecResult(0, "output", "error") == await run(kubelet)


async def test_exit_code_is_told() -> None:
    """
    A command that fails tells its number, and nothing is added to its words.
    """

    async def kubelet(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_bytes(b"\2no\n")
        await socket.send_bytes(verdict(FAILURE))

    assert ExecResult(7, "", "no\n") == await run(kubelet)


@pytest.mark.parametrize("protocol", [V4, V5])
async def test_whole_input_arrives(protocol: str) -> None:
    """
    A long input comes in order and whole; only the protocol that can is told where it ends.
    """
    text = "".join(f"line {number} ä\n" for number in range(20_000))
    heard = bytearray()
    closed: list[bool] = []

    async def kubelet(socket: web.WebSocketResponse, request: web.Request) -> None:
        assert "1" == request.query["stdin"]
        while len(heard) < len(text.encode()):
            message = await socket.receive()
            assert WSMsgType.BINARY is message.type
            assert 0 == message.data[0]
            heard.extend(message.data[1:])
        if protocol == V5:
            closed.append((await socket.receive()).data == b"\xff\0")
        await socket.send_bytes(verdict(SUCCESS))

    done = await run(kubelet, text, (protocol,))

    assert 0 == done.exit_code
    assert text == heard.decode()
    assert ([True] if protocol == V5 else []) == closed


async def test_command_is_waited_for_as_long_as_was_said() -> None:
    """
    And no longer: whoever asked has to be told.
    """

    async def kubelet(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.receive()

    assert ExecResult(-1, "", "no answer within 0 s") == await run(kubelet, timeout_s=0.2)


async def test_output_during_input_does_not_block() -> None:
    """
    A command that answers before it has read everything is not waited for in vain.
    """
    block, count = 1 << 20, 24  # more than the buffers of a socket hold

    async def kubelet(socket: web.WebSocketResponse, _request: web.Request) -> None:
        for _ in range(count):
            await socket.send_bytes(b"\1" + b"x" * block)
        heard = 0
        while heard < count * block:
            heard += len((await socket.receive()).data) - 1
        await socket.send_bytes(verdict(SUCCESS))

    async with asyncio.timeout(20):
        done = await run(kubelet, "y" * count * block)

    assert (0, block) == (done.exit_code, len(done.stdout))


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (b"\1half", "the line broke before the command ended"),
        (verdict({"status": "Failure", "message": "container not running"}), "container not running"),
        (verdict({"status": "Failure", "message": "x", "details": {}}), "x"),
    ],
)
async def test_command_without_an_exit_code_did_not_run(last: bytes, why: str) -> None:
    """
    No verdict is no success.
    """

    async def kubelet(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_bytes(last)

    done = await run(kubelet)

    assert -1 == done.exit_code
    assert why == done.stderr


@pytest.mark.parametrize(
    ("status", "why"),
    [(404, "the pod is not there"), (400, "the container is not there or does not run"), (500, "the API answered 500")],
)
async def test_pod_that_cannot_be_entered_is_told(status: int, why: str) -> None:
    """
    A gate whose pod goes away is red with a reason.
    """

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=status)

    async with staged(handle) as stage:
        assert ExecResult(-1, "", why) == await stage.cluster.exec("s", "p", "main", Command(["true"]))


@pytest.mark.parametrize("status", [401, 403])
async def test_missing_right_ends_the_run(status: int) -> None:
    """
    Without the right, every gate would stay red for ever.
    """

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=status)

    async with staged(handle) as stage:
        with pytest.raises(OutsideError, match=r"does not allow exec .*pods/exec"):
            await stage.cluster.exec("s", "p", "main", Command(["true"]))


async def test_server_that_is_away_is_told() -> None:
    """
    An outage during a gate makes it red, and it is tried again.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with staged(handle) as stage:
        done = await stage.cluster.exec("s", "p", "main", Command(["true"]))

    assert -1 == done.exit_code
    assert done.stderr
