"""The bootstrap Job, its record and rights, and periodic tasks.

The Job is named by what it does; pods wait for that name's digest in the record, not for the Job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kolla_k8s.compile.emit import Block, Go
from kolla_k8s.compile.objects import config_map, labels, metadata
from kolla_k8s.compile.pod import (
    TOOLS,
    PodPlan,
    container,
    limit_env,
    pod_env,
    pod_spec,
    prepare_step,
    process_mounts,
    programs_mount,
    record_env,
    requests_and_limits,
    token_mount,
    tool_mounts,
)
from kolla_k8s.compile.podfile import bootstrap_podfile, files_of, has_podfile
from kolla_k8s.model.borrowed import secrets_named
from kolla_k8s.model.catalog import (
    Catalog,
    database_secret,
    facts_of,
    messaging_secret,
    registers,
    secret_ref,
    user_passwords,
)
from kolla_k8s.model.service import Bootstrap, Periodic, Service
from kolla_k8s.model.workload import Volume

Pairs = list[tuple[str, str]]
Objects = dict[str, tuple[dict[str, Any], str]]
INIT = f"{TOOLS}/init.py"
FACTS = {"facts": Volume(path="/run/kolla-k8s/facts", scratch="memory")}


def bootstrap_objects(service: Service) -> Objects:
    """Template file name -> object and condition: the record, the Job's file and the Job."""
    bootstrap = service.spec.bootstrap
    if bootstrap is None:
        return {}
    record = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(service, f"{service.name}-bootstrap", "bootstrap"),
    }
    return {
        "bootstrap-record-configmap": (record, ""),
        "bootstrap-configmap": (config_map(service, "bootstrap"), ""),
        "bootstrap-job": (_job(service), ""),
    }


def bootstrap_pod(catalog: Catalog, service: Service) -> dict[str, Any]:
    """Spec of the bootstrap Job's pod, the input of its digest."""
    bootstrap = _bootstrap(service)
    plan = PodPlan(
        catalog=catalog,
        service=service,
        key="bootstrap",
        config_name='include "@@.configName" (dict "root" $ "pod" "bootstrap")',
        files={name: service.spec.config[name].path for name in bootstrap.config},
        volumes={**bootstrap.volumes, **(FACTS if facts_of(service) else {})},
        needs_token=True,
    )
    *first, last = _containers(plan)
    init = [_prepare(plan, bootstrap, last["name"]), *first]
    more = {"restartPolicy": "Never", "serviceAccountName": service.name, "terminationGracePeriodSeconds": 5}
    return pod_spec(plan, {"init": init, "main": [last]}, **more)


def _bootstrap(service: Service) -> Bootstrap:
    assert service.spec.bootstrap is not None  # noqa: S101 - callers ask first
    return service.spec.bootstrap


def _job(service: Service) -> dict[str, Any]:
    about = metadata(service, "", "bootstrap")
    about["name"] = Go(f'{{{{ printf "{service.name}-bootstrap-%s" (include "@@.bootstrapDigest" $) }}}}')
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": about,
        "spec": {
            "backoffLimit": 6,
            "template": {
                "metadata": {"labels": Block('include "@@.bootstrapLabels" $')},
                "spec": Block('include "@@.bootstrapPod" $'),
            },
        },
    }


def bootstrap_labels(catalog: Catalog, service: Service) -> dict[str, Any]:
    """Labels of the bootstrap Job's pod: it may reach what its built-in steps talk to."""
    return labels(service, "bootstrap", [*catalog.needs(service.name), service.name])


def _prepare(plan: PodPlan, bootstrap: Bootstrap, main: str) -> dict[str, Any]:
    contents = [plan.service.spec.config[file] for file in bootstrap.config]
    pairs = secrets_named(plan.catalog, plan.service, [c.content for c in contents])
    env = [*pod_env(), record_env(plan.service), *limit_env(main)]
    resources = requests_and_limits(bootstrap.resources)
    made = container("prepare", bootstrap.image, ["python3", INIT, "prepare"], resources, env)
    tmp = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - in the container
    mounts = [*tool_mounts(), *plan.secret_mount("prepare", pairs), token_mount(), tmp]
    return {**made, "volumeMounts": mounts}


def _registers_after(service: Service) -> bool:
    """Keystone itself can only register once its own pods, which wait for the record, answer."""
    return registers(service) and "keystone" not in service.spec.needs.start


@dataclass(frozen=True, slots=True)
class _Step:
    """One step: its name, the secrets it reads, whether it asks the API."""

    name: str
    secrets: Pairs
    has_token: bool = False


def _containers(plan: PodPlan) -> list[dict[str, Any]]:
    """Containers in order: accounts, the service's own steps, registration, its late steps, the record.

    Steps of ours that follow each other share one; none of those before the service's own with any after them.
    """
    service, steps = plan.service, _bootstrap(plan.service).steps
    podfile = bootstrap_podfile(plan.catalog, service)
    accounts, identity, own, late = list[_Step](), list[_Step](), list[_Step](), list[_Step]()
    if "databases" in podfile:
        passwords = [(service.name, database_secret(service, name)) for name in service.spec.databases]
        accounts.append(_Step("databases", [("mariadb", "root-password"), *passwords]))
    if "messaging" in podfile:
        passwords = [(service.name, messaging_secret(service, name)) for name in service.spec.messaging]
        accounts.append(_Step("messaging", [("rabbitmq", "admin-password"), *passwords]))
    for name, step in podfile["steps"].items():
        is_late = name in steps and steps[name].late
        (late if is_late else own).append(_Step(name, secrets_named(plan.catalog, service, step["run"])))
    if "identity" in podfile:
        passwords = [(service.name, password) for _, password in user_passwords(service)]
        identity.append(_Step("identity", [("keystone", "admin-password"), *passwords]))
    record = [_Step("record", [], has_token=True)]
    if _registers_after(service):
        after = [_ours(plan, [*record, *identity])]
    elif late:
        after = [*([_ours(plan, identity)] if identity else []), _theirs(plan, "late-steps", late), _ours(plan, record)]
    else:
        after = [_ours(plan, [*identity, *record])]
    first = [_ours(plan, accounts)] if accounts else []
    return [*first, *([_theirs(plan, "steps", own)] if own else []), *after]


def _ours(plan: PodPlan, steps: list[_Step]) -> dict[str, Any]:
    """Container of built-in steps, called by them."""
    names = [step.name for step in steps]
    return _container(plan, "-".join(names), [f"{TOOLS}/bootstrap.py", *names], steps)


def _theirs(plan: PodPlan, name: str, steps: list[_Step]) -> dict[str, Any]:
    """Container of steps of the service's own program."""
    return _container(plan, name, [INIT, "steps", *(step.name for step in steps)], steps, pod_env())


def _container(
    plan: PodPlan, name: str, command: list[str], steps: list[_Step], env: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    bootstrap = _bootstrap(plan.service)
    has_token = any(step.has_token for step in steps)
    if has_token:
        job = {"name": "JOB_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['job-name']"}}}
        env = [*env, record_env(plan.service), job]
    made = container(name, bootstrap.image, ["python3", *command], requests_and_limits(bootstrap.resources), env)
    token = [token_mount()] if has_token else []
    tools = {"name": "kolla-k8s", "mountPath": TOOLS, "readOnly": True}
    fresh = {"name": "rendered", "mountPath": "/run/kolla-k8s/rendered", "readOnly": True}
    pairs = [pair for step in steps for pair in step.secrets]
    mounts = [tools, fresh, *plan.secret_mount(name, pairs), *token, *process_mounts(plan)]
    return {**made, "volumeMounts": mounts}


def periodic_objects(catalog: Catalog, service: Service, name: str) -> Objects:
    """Objects of a periodic task: its file (when it has one) and CronJob."""
    task = service.spec.periodic[name]
    has_file = has_podfile(service, task)
    file = {f"{name}-configmap": (config_map(service, name), "")} if has_file else {}
    return {
        **file,
        f"{name}-cronjob": (_cron_job(catalog, service, name), ""),
    }


def _cron_job(catalog: Catalog, service: Service, name: str) -> dict[str, Any]:
    task = service.spec.periodic[name]
    template = {
        "metadata": {"labels": labels(service, name, catalog.needs(service.name))},
        "spec": _periodic_pod(catalog, service, name, task),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(service, f"{service.name}-{name}", name),
        "spec": {
            "schedule": Go(f'{{{{ (index .Values.periodic "{name}").schedule | quote }}}}'),
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {"spec": {"backoffLimit": 2, "template": template}},
        },
    }


def _periodic_pod(catalog: Catalog, service: Service, name: str, task: Periodic) -> dict[str, Any]:
    has_file = has_podfile(service, task)
    plan = PodPlan(
        catalog=catalog,
        service=service,
        key=name,
        config_name=f'include "@@.configName" (dict "root" $ "pod" "{name}")' if has_file else "",
        files={} if task.rotate else {f: service.spec.config[f].path for f in files_of(service, task).sections},
        volumes=dict(task.volumes),
        needs_token=task.rotate is not None or service.spec.bootstrap is not None,
    )
    init = [prepare_step(plan, name, task.image)] if has_file and not task.rotate else []
    account = {"serviceAccountName": service.name} if plan.needs_token else {}
    return pod_spec(plan, {"init": init, "main": [_task(plan, task)]}, restartPolicy="Never", **account)


def _task(plan: PodPlan, task: Periodic) -> dict[str, Any]:
    """The container of a periodic task: a rotation asks the API itself, a command has files and no token."""
    command, tools, env = list(task.run or ()), [], pod_env()
    if task.rotate:
        secret = secret_ref(plan.service, task.rotate.secret).secret
        limits = [str(task.rotate.max_active_keys), str(task.rotate.min_age_s)]
        command = ["python3", f"{TOOLS}/rotate.py", secret, *limits]
        tools, env = [programs_mount(), token_mount()], []
    made = container(plan.key, task.image, command, requests_and_limits(task.resources), env)
    return {**made, "volumeMounts": [*tools, *process_mounts(plan)]}
