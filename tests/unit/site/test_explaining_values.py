"""Where a value comes from: ``values explain``."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import UserFilesError
from kolla_k8s.site.explain import explained
from tests.unit.site.test_a_way_in import loaded

POOL = r"services.glance.config.glance-api\.conf.rbd.rbd_store_pool"


def test_site_stands_over_the_chosen_variant(shipped, tmp_path):
    """
    The last word first, each with its place.
    """
    text = "services: {glance: {options: {backend: rbd}, config: {glance-api.conf: {rbd: {rbd_store_pool: mine}}}}}\n"
    lines = explained(POOL, loaded(shipped, tmp_path, text), shipped)

    assert f"{POOL} = 'mine'" == lines[0]
    assert ["  over 'images' from the chart glance with backend: rbd"] == lines[2:]


def test_variant_stands_over_the_default(shipped, tmp_path):
    """
    Only while its option is chosen.
    """
    path = r"services.glance.config.glance-api\.conf.glance_store.default_backend"
    rbd, usual = (
        explained(path, loaded(shipped, tmp_path, f"services: {{glance: {{options: {{backend: {name}}}}}}}\n"), shipped)
        for name in ("rbd", "file")
    )

    assert [
        f"{path} = 'rbd'",
        "  from the chart glance with backend: rbd",
        "  over 'file' from the chart glance",
    ] == rbd
    assert [f"{path} = 'file'", "  from the chart glance"] == usual


@pytest.mark.parametrize("path", ["services.glance.config", "services.glance.workloads.api.replicas"])
def test_whole_parts_and_other_knobs_are_the_charts(shipped, tmp_path, path):
    """
    Where the site says nothing.
    """
    assert "  from the chart glance" == explained(path, loaded(shipped, tmp_path, "region: One\n"), shipped)[1]


def test_what_nobody_says_is_a_mistake(shipped, tmp_path):
    """
    A variant that is not chosen says nothing.
    """
    with pytest.raises(UserFilesError) as caught:
        explained(POOL, loaded(shipped, tmp_path, "region: One\n"), shipped)

    assert "nobody says anything here" in str(caught.value)
