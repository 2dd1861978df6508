"""What smoke says at its end of what it left behind."""

from __future__ import annotations

import asyncio
import json
import signal
from types import SimpleNamespace

import pytest

from kolla_k8s.cli.session import Signals
from kolla_k8s.cli.walk import UPLOAD_MIB, Guest, _end
from kolla_k8s.errors import DidNotComeUpError, TerminatedRunError, UserFilesError
from kolla_k8s.orchestrate.smoke import Passed

SESSION = SimpleNamespace(redact=str, signals=Signals())
SMOKE = SimpleNamespace(name="kolla-k8s-smoke-1", made={}, stop=SESSION.signals.stop)
RED, CLEAN, DIRTY = (
    Passed("server", False, "ERROR", 1.0),
    Passed("clean", True, "-", 1.0),
    Passed("clean", False, "", 1.0),
)
WAY_BACK = "; `kolla-k8s smoke --clean kolla-k8s-smoke-1` deletes what was made"


@pytest.mark.parametrize(
    ("passed", "way_out"),
    [([RED], WAY_BACK), ([RED, DIRTY], WAY_BACK), ([RED, CLEAN], "")],
    ids=["kept", "left", "clean"],
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_red_run_that_left_something_says_how_it_goes(passed, way_out, output):
    """
    With the name, without which nobody could delete it.
    """
    with pytest.raises(DidNotComeUpError) as told:
        _end(SESSION, SMOKE, passed, output)

    assert f"smoke: server: ERROR{way_out}" == str(told.value)


@pytest.mark.parametrize(("passed", "way_out"), [([RED, CLEAN], ""), ([RED, DIRTY], WAY_BACK)], ids=["clean", "left"])
def test_run_that_a_signal_stopped_says_so_and_what_it_left(capsys, passed, way_out):
    """
    In JSON too, where a red step that was only cut short is no finding.
    """

    async def stopped():
        signals = Signals()
        with signals.listening(), signals.finishing():
            signal.raise_signal(signal.SIGTERM)
            await signals.stop.wait()
            smoke = SimpleNamespace(name=SMOKE.name, made={}, stop=signals.stop)
            _end(SimpleNamespace(redact=str, signals=signals), smoke, passed, "json")

    with pytest.raises(TerminatedRunError) as told:
        asyncio.run(stopped())

    assert f"kolla-k8s-smoke-1 was stopped{way_out}" == str(told.value)
    assert "stopped" == json.loads(capsys.readouterr().out)["outcome"]


def test_green_run_says_its_name(capsys):
    """
    A kept one is deleted by it later.
    """
    _end(SESSION, SMOKE, [Passed("image", True, "-", 1.25)], "text")

    assert "kolla-k8s-smoke-1 is green after 1.2 s\n" == capsys.readouterr().out


def test_image_that_is_too_large_to_go_through_a_pod_is_refused(tmp_path):
    """
    Before anything is made; an operator's own way of uploading has no such limit.
    """
    image = tmp_path / "debian.qcow2"
    with image.open("wb") as file:
        file.truncate((UPLOAD_MIB << 20) + 1)
    guest = Guest(None, None, image, "qcow2", None, 256, "192.0.2.0/24")

    with pytest.raises(
        UserFilesError, match=rf"debian.qcow2: has more than {UPLOAD_MIB} MiB; upload it with `openstack"
    ):
        guest.read()
