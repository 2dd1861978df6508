"""Words that stand for many: what every OpenStack service says alike is said once, here.

``wsgi`` makes an API under uwsgi of a module's name, ``oslo`` the sections of a file that follow from databases,
messaging users and Keystone users. Both end in plain configuration, so that a site overrides each option as any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kolla_k8s.model.catalog import database_owner, database_secret
from kolla_k8s.model.service import ConfigFile, Format, Oslo, Periodic, Service
from kolla_k8s.model.workload import Probe, Workload, Wsgi

OURS = "/etc/kolla-k8s"
DATABASE_FILE = "database.cnf"
GATE_FILE = "gate.json"
UWSGI_FILE = "-uwsgi.ini"  # after the workload's name
Sections = dict[str, dict[str, Any]]

COMMON: Sections = {
    "DEFAULT": {"debug": False, "use_stderr": True},
    "oslo_middleware": {"enable_proxy_headers_parsing": True},
}
MESSAGING: Sections = {
    "oslo_concurrency": {"lock_path": "/tmp"},  # noqa: S108 - in the container, private
    "oslo_messaging_rabbit": {
        "rabbit_qos_prefetch_count": 50,
        "rabbit_quorum_queue": True,
        "rabbit_stream_fanout": True,
        "rabbit_transient_quorum_queue": True,
        "use_queue_manager": True,
    },
}
CACHE: Sections = {
    "cache": {
        "backend": "oslo_cache.memcache_pool",
        "enabled": True,
        "memcache_servers": "${members:memcached}",
    }
}
UWSGI: dict[str, Any] = {
    "add-header": "Connection: close",
    "buffer-size": 65535,
    "die-on-term": True,
    "enable-threads": True,
    "exit-on-reload": False,
    "hook-master-start": "unix_signal:15 gracefully_kill_them_all",
    "http-auto-chunked": True,
    "http-chunked-input": True,
    "http-raw-body": True,
    "lazy-apps": True,
    "master": True,
    "need-app": True,
    "plugins": "python3",
    "plugins-dir": "/usr/lib/uwsgi/plugins",
    "processes": "${limit:cpu}",
    "socket-timeout": 30,
    "thunder-lock": True,
    "worker-reload-mercy": 80,
}
# The master writes what workers say: whole records, those of oslo as they are, its own and all else as JSON.
UWSGI_JSON: dict[str, Any] = {
    "log-encoder": ['json:own {"created":${unix},"name":"uwsgi","message":"${msg}"}', "nl:own"],
    "log-master-bufsize": 1048576,
    "log-route": [r"oslo ^\{", "own ^[^{]"],
    "logger": ["oslo stdio:", "own stdio:"],
}


def expand(service: Service) -> Service:
    """Write out ``wsgi`` and ``oslo``; a definition that uses neither is given back as it is."""
    spec = service.spec
    config = {name: _file(service, file) for name, file in spec.config.items()}
    if any(file.oslo and file.oslo.databases for file in spec.config.values()):
        config[DATABASE_FILE] = _logins(service)
    config |= _gate_login(service)
    shared = list(config)
    workloads = {}
    for name, workload in spec.workloads.items():
        if workload.wsgi is None:
            workloads[name] = workload if workload.config is not None else _with_files(workload, shared)
            continue
        file = f"{name}{UWSGI_FILE}"
        config[file] = _uwsgi(file, workload.wsgi, workload)
        workloads[name] = _api(workload, file, shared)
    periodic = {name: _task(task, shared) for name, task in spec.periodic.items()}
    update = {"config": config, "workloads": workloads, "periodic": periodic}
    return service.model_copy(update={"spec": spec.model_copy(update=update)})


def _gate_login(service: Service) -> dict[str, ConfigFile]:
    """The file that a gate logs in with, as one of the service's users."""
    users = sorted({gate.login for gate in service.spec.gates.values() if gate.login})
    if not users:
        return {}
    login = _login(service, users[0])
    content = {
        "auth_url": login["auth_url"],
        "username": login["username"],
        "password": login["password"],
        "project": login["project_name"],
    }
    return {GATE_FILE: ConfigFile(path=f"{OURS}/{GATE_FILE}", format=Format.JSON, mode="0400", content=content)}


def _with_files(workload: Workload, files: list[str]) -> Workload:
    return workload.model_copy(update={"config": files})


def _task(task: Periodic, files: list[str]) -> Periodic:
    names_its_own = task.rotate is not None or task.config is not None
    return task if names_its_own else task.model_copy(update={"config": files})


def _api(workload: Workload, file: str, shared: list[str]) -> Workload:
    """The workload with uwsgi as its process, and the usual probes where it names none."""
    assert workload.wsgi is not None  # noqa: S101 - callers ask first
    port, health = workload.wsgi.port, workload.wsgi.health
    usual: dict[str, Any] = {
        "startup": _probe({"http": health, "port": port, "period-s": 1, "timeout-s": 5, "failures": 300}),
        "ready": _probe({"http": health, "port": port, "timeout-s": 5}),
        "live": _probe({"tcp": True, "port": port, "period-s": 30, "failures": 6}),
        "stop": ["sleep", "5"],
    }
    own = shared if workload.config is None else workload.config
    update = {key: value for key, value in usual.items() if not getattr(workload, key)}
    update |= {"run": ["uwsgi", "--ini", f"{OURS}/{file}"], "config": [*own, file]}
    return workload.model_copy(update=update)


def _probe(said: dict[str, Any]) -> Probe:
    return Probe.model_validate(said)


def _uwsgi(file: str, wsgi: Wsgi, workload: Workload) -> ConfigFile:
    port = workload.ports.get(wsgi.port, 0)
    content = {"uwsgi": {**UWSGI, "http": f"0.0.0.0:{port}", "module": wsgi.module, **wsgi.options}}
    said = {"uwsgi": UWSGI_JSON}
    return ConfigFile.model_validate(
        {"path": f"{OURS}/{file}", "format": Format.UWSGI, "content": content, "json-logs": said}
    )


def _file(service: Service, file: ConfigFile) -> ConfigFile:
    if file.oslo is None:
        return file
    standard = _sections(service, file.oslo)
    said: Mapping[str, Any] = file.content
    content = {
        section: {**standard.get(section, {}), **(said.get(section) or {})}
        for section in sorted({*standard, *said}, key=lambda name: (name != "DEFAULT", name))
    }
    if file.oslo.further:
        return file.model_copy(update={"content": content})
    said_of_logs = {**file.json_logs, "DEFAULT": {"use_json": True, **file.json_logs.get("DEFAULT", {})}}
    return file.model_copy(update={"content": content, "json_logs": said_of_logs})


def _sections(service: Service, oslo: Oslo) -> Sections:
    found = {} if oslo.further else {name: dict(options) for name, options in COMMON.items()}
    for section, database in oslo.databases.items():
        said = _database(service, database)
        found[section] = {"connection": said["connection"]} if oslo.further else said
    if oslo.messaging:
        found.setdefault("DEFAULT", {})["transport_url"] = f"${{transport:{oslo.messaging}}}"
        found |= {} if oslo.further else {name: dict(options) for name, options in MESSAGING.items()}
    if oslo.cache:
        found |= {name: dict(options) for name, options in CACHE.items()}
    if oslo.identity:
        login = _login(service, oslo.identity)
        found |= {section: {**login, "valid_interfaces": "internal"} for section in oslo.clients}
        if oslo.authtoken:
            found["keystone_authtoken"] = {**login, **_authtoken(login["password"])}
        if oslo.service_user:
            found["service_user"] = {**login, "send_service_user_token": True}
    return found


def _database(service: Service, said: str) -> dict[str, Any]:
    """Passwords stand in a file beside it: Alembic cannot take the percent signs of an encoded one in a URL."""
    database = said.rpartition("/")[2]
    owner = database_owner(service, database)  # ``compile.provisions`` refuses what nobody owns
    user = service.spec.databases[owner].user or owner if owner else database
    place = f"mysql+pymysql://{user}@${{host:mariadb}}/{database}"
    return {
        "connection": f"{place}?read_default_file={OURS}/{DATABASE_FILE}&read_default_group={user}&charset=utf8mb4",
        "connection_recycle_time": 280,
        "max_pool_size": 5,
        "max_retries": -1,
    }


def _logins(service: Service) -> ConfigFile:
    """Passwords of the service's own database users, and of those of services with one database that it names."""
    users = {database.user or name: database_secret(service, name) for name, database in service.spec.databases.items()}
    named = (file.oslo.databases.values() for file in service.spec.config.values() if file.oslo)
    others = (said.rpartition("/") for databases in named for said in databases)
    users |= {name: f"{owner}/database-password" for owner, _, name in others if owner}
    content = {user: {"password": f"${{secret:{secret}}}"} for user, secret in sorted(users.items())}
    return ConfigFile(path=f"{OURS}/{DATABASE_FILE}", format=Format.PYMYSQL, mode="0400", content=content)


def _login(service: Service, user: str) -> dict[str, Any]:
    """How a Keystone user logs in: ``user`` of this service, or ``service/user`` of another."""
    owner, _, name = user.rpartition("/")
    declared = service.spec.identity.users.get(name) if not owner else None
    secret = declared.password if declared else "service-password"
    return {
        "auth_type": "password",
        "auth_url": "${url:keystone}",
        "password": f"${{secret:{owner + '/' if owner else ''}{secret}}}",
        "project_domain_name": "Default",
        "project_name": declared.project if declared else "service",
        "region_name": "${site:region}",
        "user_domain_name": "Default",
        "username": name,
    }


def _authtoken(password: str) -> dict[str, Any]:
    return {
        "interface": "internal",
        "memcache_secret_key": password,
        "memcache_security_strategy": "ENCRYPT",
        "memcached_servers": "${members:memcached}",
        "service_token_roles_required": True,
        "www_authenticate_uri": "${url:keystone|public}",
    }
