"""``check`` warns of a site whose nodes its own policies would shut out."""

from __future__ import annotations

from pathlib import Path

import pytest

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.cli.preflight import node_addresses

MINIMAL = Path(__file__).parents[2] / "values/sites/minimal.yaml"


def test_nodes_whose_addresses_nobody_named_are_warned_of():
    """
    Pods on the host's network are chosen by no label of a policy.
    """
    (found,) = node_addresses(load_cloud(Source([MINIMAL], [])))

    assert ("network.nodeCidrs", "warning") == (found.subject, found.level)
    assert "nova-compute" in found.fact


@pytest.mark.parametrize(
    "said", ["network: {nodeCidrs: [192.0.2.0/24]}", "network: {policies: false}", "presets: []\nwant: [keystone]"]
)
def test_site_that_shuts_no_node_out_is_not(tmp_path, said):
    """
    It names the addresses, makes no policies, or has nothing on nodes.
    """
    more = tmp_path / "more.yaml"
    more.write_text(f"{said}\n")

    assert [] == node_addresses(load_cloud(Source([MINIMAL, more], [])))
