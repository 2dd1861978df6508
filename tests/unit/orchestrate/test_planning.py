"""What a run will do, from what is wanted and what is there."""

from __future__ import annotations

import pytest

from kolla_k8s import places
from kolla_k8s.cli.definitions import load_catalog
from kolla_k8s.model.plan import Action
from kolla_k8s.orchestrate.plan import Wanted, build_plan, build_removal, input_digest
from kolla_k8s.ports import Release

SPACES = {"control": "openstack", "node": "openstack-node"}


@pytest.fixture(scope="module")
def catalog():
    return load_catalog(places.data("service_defs"))


def wanted(catalog, *services, values=None):
    given = values or {name: {"global": {"members": {name: 1}}} for name in catalog.services}
    charts = dict.fromkeys(catalog.services, "chart")
    return Wanted("sky", catalog, given, charts, dict.fromkeys(charts, "d"), SPACES, services)


def there(plan, **changes):
    """The releases that a plan would leave."""
    return {
        step.name: Release(step.name, "openstack", "deployed", 1, changes.get(step.name, step.request.digest))
        for step in plan.steps
    }


def actions(plan):
    return {step.name: step.action for step in plan.steps}


def test_empty_cluster_wants_everything_installed(catalog):
    """
    With what each needs to start, and how its members leave.
    """
    plan = build_plan(wanted(catalog), {})
    steps = {step.name: step for step in plan.steps}

    assert {Action.INSTALL} == set(actions(plan).values())
    assert ("mariadb", "memcached") == steps["keystone"].needs
    assert ("token",) == tuple(gate.name for gate in steps["keystone"].gates)
    assert ("server", 1) == (steps["rabbitmq"].leave.workload, steps["rabbitmq"].leave.members)
    assert steps["keystone"].leave is None


def test_release_of_the_same_input_is_left_alone(catalog):
    """
    And one of another input is changed, one that did not end well recovered.
    """
    first = build_plan(wanted(catalog), {})
    releases = there(first, keystone="other")
    releases["mariadb"] = Release("mariadb", "openstack", "failed", 3, "x")

    plan = actions(build_plan(wanted(catalog), releases))

    assert Action.CHANGE is plan["keystone"]
    assert Action.RECOVER is plan["mariadb"]
    assert {Action.UNCHANGED} == {plan["memcached"], plan["rabbitmq"]}


def test_named_service_is_changed_and_what_it_needs_only_checked(catalog):
    """
    Others are not in the plan; a need that is not there is installed.
    """
    releases = there(build_plan(wanted(catalog), {}), keystone="other", mariadb="other")
    del releases["memcached"]

    plan = actions(build_plan(wanted(catalog, "keystone"), releases))

    assert {"keystone": Action.CHANGE, "mariadb": Action.CHECK, "memcached": Action.INSTALL} == plan


def test_disabled_need_is_no_step(catalog):
    """
    The site has it elsewhere.
    """
    values = {"keystone": {}, "mariadb": {}}

    plan = build_plan(wanted(catalog, values=values), {})

    assert {"keystone": ("mariadb",), "mariadb": ()} == {step.name: step.needs for step in plan.steps}


def test_removal_takes_users_first_and_only_what_is_there(catalog):
    """
    A need of nothing that is installed waits for nobody.
    """
    releases = there(build_plan(wanted(catalog), {}))
    del releases["rabbitmq"]

    plan = build_removal(wanted(catalog), releases)

    assert {"keystone": (), "mariadb": ("keystone",), "memcached": ("keystone",)} == {
        s.name: s.needs for s in plan.steps
    }
    assert {Action.REMOVE} == set(actions(plan).values())


def test_digest_is_of_chart_and_values():
    """
    Order of keys does not count, content does.
    """
    assert input_digest("c", {"a": 1, "b": 2}) == input_digest("c", {"b": 2, "a": 1})
    assert input_digest("c", {"a": 1}) != input_digest("d", {"a": 1})
    assert input_digest("c", {"a": 1}) != input_digest("c", {"a": 2})
    assert 32 == len(input_digest("c", {}))
