"""What smoke says at its end of what it left behind."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kolla_k8s.cli.walk import _end
from kolla_k8s.errors import DidNotComeUpError
from kolla_k8s.orchestrate.smoke import Passed

SESSION = SimpleNamespace(redact=str)
SMOKE = SimpleNamespace(name="kolla-k8s-smoke-1", made={})
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


def test_green_run_says_its_name(capsys):
    """
    A kept one is deleted by it later.
    """
    _end(SESSION, SMOKE, [Passed("image", True, "-", 1.25)], "text")

    assert "kolla-k8s-smoke-1 is green after 1.2 s\n" == capsys.readouterr().out
