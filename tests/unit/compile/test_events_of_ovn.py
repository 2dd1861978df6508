"""Neutron hears from OVN that a port is up, in whichever of its processes; none may be told what nobody hears."""

from __future__ import annotations


def test_events_are_shared_out_among_processes_that_live(shipped):
    """
    A process that counts as many of its pod as Neutron was told remembers for a minute who there is: pods of before.
    """
    spec = shipped["neutron"].spec
    told = spec.config["neutron.conf"].variants["ovn"].content["DEFAULT"]["api_workers"]
    processes = spec.config["api-uwsgi.ini"].content["uwsgi"]["processes"]

    assert "${limit:cpu}" == processes
    assert told > 100 * int(spec.workloads["api"].resources.cpu_limit)
