"""What ``install`` and ``uninstall`` do, once a cluster is open."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kolla_k8s.adapters.patience import PatientHelm
from kolla_k8s.adapters.releases import unlock as unlock_release
from kolla_k8s.cli.cloud import Cloud, Source, load_cloud, require_enabled, with_charts
from kolla_k8s.cli.planned import with_parts
from kolla_k8s.cli.screen import Screen
from kolla_k8s.cli.session import Session, Target, claim, opened
from kolla_k8s.errors import DidNotComeUpError, HeldError, Problem, UserFilesError
from kolla_k8s.model.catalog import main_workload, pods_name
from kolla_k8s.model.plan import Plan
from kolla_k8s.orchestrate.bundle import bundle_name, collect, prune_bundles
from kolla_k8s.orchestrate.gate import Gates
from kolla_k8s.orchestrate.lease import Hold, hold, unlock
from kolla_k8s.orchestrate.mend import delete_data, delete_kept
from kolla_k8s.orchestrate.observe import observing
from kolla_k8s.orchestrate.plan import build_plan, build_removal
from kolla_k8s.orchestrate.recover import ForceSpec, Member, force_from, force_start, members, reports
from kolla_k8s.orchestrate.report import Report
from kolla_k8s.orchestrate.run import Means, execute
from kolla_k8s.orchestrate.secrets import (
    ensure_copies,
    ensure_namespaces,
    ensure_secrets,
    secret_copies,
    secret_specs,
)
from kolla_k8s.orchestrate.store import Store
from kolla_k8s.ports import Cluster


async def install_cloud(
    source: Source, target: Target, services: Sequence[str], output: str, patience_s: float
) -> None:
    """Bring the cloud to what is wanted; raises ``DidNotComeUpError`` when something is not green."""
    cloud = load_cloud(source, services)
    require_enabled(cloud, services)
    cloud = with_charts(cloud)
    async with opened(target) as free:
        wanted = await with_parts(free, cloud)
        await ensure_namespaces(free.cluster, cloud.wanted.namespaces)
        async with hold(free.cluster, free.clock, claim(cloud)) as held:  # who is refused need not have waited for helm
            await free.helm.version()
            session = free.under(held)
            specs = secret_specs(cloud.catalog, cloud.wanted.values, cloud.wanted.namespaces)
            await ensure_secrets(session.cluster, specs)
            copies = secret_copies(cloud.catalog, cloud.wanted.values, cloud.wanted.namespaces)
            await ensure_copies(session.cluster, copies)
            await session.learn(cloud)
            found = await session.releases(cloud)
            for release in found.values():
                await unlock_release(session.cluster, release)
            plan = build_plan(wanted, found)
            await carry_out(session, cloud, plan, output, patience_s=patience_s, held=held)


async def uninstall_cloud(
    source: Source, target: Target, services: Sequence[str], output: str, *, delete_data: bool
) -> None:
    """Remove services in reverse order."""
    cloud = load_cloud(source, services)
    async with opened(target) as free, hold(free.cluster, free.clock, claim(cloud)) as held:
        await free.helm.version()
        session = free.under(held)
        await session.learn(cloud)
        plan = build_removal(cloud.wanted, await session.releases(cloud), with_data=delete_data)
        await carry_out(session, cloud, plan, output, patience_s=600, held=held)
        await _clean(session, cloud, services, is_data_too=delete_data)


async def unlock_cloud(source: Source, target: Target, *, is_forced: bool) -> None:
    """Take the hold from a run that is dead."""
    cloud = load_cloud(source)
    async with opened(target) as session:
        who = await unlock(session.cluster, session.clock, claim(cloud), is_forced=is_forced)
    sys.stdout.write(f"cloud {cloud.wanted.cloud}: {f'taken from {who}' if who else 'nobody held it'}\n")


async def recover_service(source: Source, target: Target, service: str, pod: str | None) -> None:
    """Print what the members of a cluster hold, or let one of them start it without those that are lost."""
    cloud = load_cloud(source, [service])
    main = main_workload(cloud.catalog[service])
    peers = main[1].peers if main else None
    if main is None or peers is None or not (peers.agent or peers.force):
        fact = "has no members that wait for each other"
        raise UserFilesError([Problem(service, "", fact, "see `kolla-k8s why`")])
    pods, namespace = pods_name(cloud.catalog[service], main[0]), cloud.wanted.namespaces["control"]
    async with opened(target) as session:
        if pod is None:
            say = _reported if peers.agent else _waiting
            sys.stdout.write("".join(f"{line}\n" for line in await say(session.cluster, namespace, pods)))
            return
        if peers.agent:
            await force_from(session.cluster, namespace, pods, pod)
        else:
            await force_start(session.cluster, namespace, pods, pod, ForceSpec(main[0], peers.force))
    sys.stdout.write(f"{pod}: starts the cluster from its own data\n")


async def _reported(cluster: Cluster, namespace: str, pods: str) -> list[str]:
    """Where the data of stopped members end."""
    found = await reports(cluster, namespace, pods)
    said = [f"{one.pod}: {one.flaw or f'data end at {one.uuid}:{one.seqno}'}" for one in found]
    return said or [f"{pods}: no member is stopped"]


async def _waiting(cluster: Cluster, namespace: str, pods: str) -> list[str]:
    """Which members serve; what the others wait for is in their logs."""
    found = await members(cluster, namespace, pods)
    said = [f"{one.pod}: {_state(one, namespace)}" for one in found]
    return said or [f"{pods}: no member is there"]


def _state(one: Member, namespace: str) -> str:
    if one.is_serving:
        return "serves"
    runs = f"does not serve; what it waits for: kubectl -n {namespace} logs {one.pod}"
    return runs if one.is_running else "does not run"


async def _clean(session: Session, cloud: Cloud, services: Sequence[str], *, is_data_too: bool) -> None:
    spaces = cloud.wanted.namespaces
    for name in services or cloud.catalog.services:
        secrets = {spec.name for spec in secret_specs(cloud.catalog, [name], spaces)}
        for namespace in set(spaces.values()):
            await delete_kept(session.cluster, namespace, name)
            if is_data_too:
                await delete_data(session.cluster, namespace, name, secrets)


async def carry_out(session: Session, cloud: Cloud, plan: Plan, output: str, *, patience_s: float, held: Hold) -> None:
    """Run a plan on the screen; raises ``DidNotComeUpError`` when something is not green."""
    stop = session.signals.stop
    screen = Screen(output, session.redact, stop.set)
    async with observing(session.cluster, {step.request.namespace for step in plan.steps}) as observer:
        means = Means(
            helm=PatientHelm(session.helm, session.cluster, session.clock, stop, held),
            cluster=session.cluster,
            clock=session.clock,
            observer=observer,
            check=Gates(session.cluster, cloud.catalog).check,
            on_change=screen.change,
            patience_s=patience_s,
            stop=stop,
            redact=session.redact,
        )
        fencing = asyncio.create_task(_stop_when_lost(held.lost, stop))
        try:
            with screen.shown(), session.signals.finishing():
                report = await execute(plan, means)
        finally:
            fencing.cancel()
        folder = await _bundle(session, observer.store, report)
    screen.end(report, {"bundle": str(folder)} if folder else {})
    if screen.is_closed:
        raise BrokenPipeError
    session.signals.raise_if_received("stopped; what was done is in the cluster, the same command continues")
    if held.lost.is_set():
        raise HeldError(f"cloud {plan.cloud}: the hold was lost to another run; nothing was changed since")
    if not report.is_green:
        more = f"\nlogs, events and objects are in {folder}" if folder else ""
        raise DidNotComeUpError(session.redact(report.text()) + more)


async def _stop_when_lost(lost: asyncio.Event, stop: asyncio.Event) -> None:
    await lost.wait()
    stop.set()


async def _bundle(session: Session, store: Store, report: Report) -> Path | None:
    if all(row.cause is None for row in report.rows.values()):
        return None
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "kolla-k8s" / "bundles"
    folder = base / bundle_name(report.plan.cloud, report.began)
    await collect(session.cluster, store, report, folder, session.redact)
    prune_bundles(base, report.plan.cloud)
    return folder
