"""The sandbox's load balancer, without a sandbox."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.edge import Edge, forwarded, node_port

GET = b"GET /a HTTP/1.1\r\nHost: one.cloud.sandbox:8443\r\nX-Forwarded-Proto: http\r\nConnection: keep-alive\r\n\r\n"


class FakeApi:
    """An API with the public Service of one name."""

    def items(self, path):
        ports = [{"port": 5000, "nodePort": 32232}]
        return [{"spec": {"ports": ports}}] if path.endswith("metadata.name%3Done-public") else []


def test_client_cannot_say_how_it_came():
    """
    The edge's own word replaces it, and a connection carries one request.
    """
    host, head = forwarded(GET)

    assert "one.cloud.sandbox" == host
    assert b"X-Forwarded-Proto: https\r\nConnection: close\r\n\r\n" in head
    assert 1 == head.lower().count(b"x-forwarded-proto")
    assert b"keep-alive" not in head


def test_websocket_stays_open():
    """
    A console upgrades its connection.
    """
    _, head = forwarded(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")

    assert head.endswith(b"Upgrade: websocket\r\nX-Forwarded-Proto: https\r\nConnection: Upgrade\r\n\r\n")


def test_request_without_a_host_goes_nowhere():
    """
    Nothing is guessed.
    """
    assert "" == forwarded(b"GET / HTTP/1.0\r\n\r\n")[0]


@pytest.mark.parametrize(("host", "port"), [("one.cloud.sandbox", 32232), ("two.cloud.sandbox", 0)])
def test_host_name_leads_to_the_node_port_of_its_service(host, port):
    """
    By the first label alone.
    """
    assert port == node_port(FakeApi(), host)


async def answer_of(find):
    """What a client reads of an edge before a server that gives back what it got."""

    async def echo(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + await reader.readuntil(b"\r\n\r\n"))
        await writer.drain()
        writer.close()

    behind = await asyncio.start_server(echo, "127.0.0.1", 0)
    edge = Edge(lambda _: find(behind.sockets[0].getsockname()[1]), "127.0.0.1")
    front = await asyncio.start_server(edge.carry, "127.0.0.1", 0)
    async with behind, front:
        reader, writer = await asyncio.open_connection(*front.sockets[0].getsockname())
        writer.write(GET)
        said = await reader.read()
        writer.close()
        return said


async def test_request_is_carried_to_the_service():
    """
    And its answer back.
    """
    said = await answer_of(lambda port: port)

    assert said.startswith(b"HTTP/1.1 200 OK")
    assert b"GET /a HTTP/1.1\r\nHost: one.cloud.sandbox:8443\r\n" in said


async def test_name_without_a_service_is_answered_at_once():
    """
    As load balancers do.
    """
    assert (await answer_of(lambda _: 0)).startswith(b"HTTP/1.1 502 Bad Gateway")
