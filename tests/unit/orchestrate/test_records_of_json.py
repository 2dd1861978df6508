"""Logs that are JSON are told as text."""

from __future__ import annotations

import asyncio
import json

import pytest

from kolla_k8s.orchestrate.logline import LogLine
from kolla_k8s.orchestrate.records import said
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.test_inventory_and_log_lines import at_work
from tests.unit.orchestrate.virtual import VirtualClock, run

OSLO = {"message": "it broke", "asctime": "2026-01-01 00:00:00", "name": "nova", "levelname": "ERROR"}


@pytest.mark.parametrize(
    ("record", "lines"),
    [
        (OSLO, ["2026-01-01 00:00:00 ERROR nova it broke"]),
        (
            {**OSLO, "asctime": None, "traceback": "Traceback:\n  line 1"},
            ["ERROR nova it broke", "ERROR nova Traceback:", "ERROR nova   line 1"],
        ),
        ({"time": "10:00", "level": "info", "msg": "up"}, ["10:00 info up"]),
        ({"message": "one\ntwo", "traceback": None}, ["one", "two"]),
        ({"message": 3}, ['{"message": 3}']),
        ([1], ["[1]"]),
    ],
)
def test_record_of_json_is_told_as_text(record, lines):
    """
    As oslo, RabbitMQ and uwsgi write them; an object without a message is told as it is.
    """
    assert tuple(lines) == said(json.dumps(record))


@pytest.mark.parametrize("text", ["waiting for mariadb", "{half", ""])
def test_text_stays_as_it_is(text):
    """
    So does what only looks like an object.
    """
    assert tuple(text.splitlines()) == said(text)


def test_last_line_of_an_init_step_is_what_its_record_says():
    """
    Numbers in it count as no progress, as in text.
    """
    cluster = FakeCluster()
    cluster.set_logs("api-1", "prepare", json.dumps({"name": "alembic", "message": "row 4000"}))

    async def followed():
        line = LogLine(cluster, VirtualClock())
        line.follow(at_work(), "openstack")
        await asyncio.sleep(1)
        return line.line, {fact[-1] for fact in line.facts()}

    assert ("alembic row 4000", {"alembic row "}) == run(followed())
