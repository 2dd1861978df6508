"""Check placeholders: what each one names, another definition or this one must have.

A problem stands at the key that says it. Text that follows from words such as ``oslo`` stands in no file: its problems
are the word's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kolla_k8s.compile.commands import steps
from kolla_k8s.compile.room import Path, Room
from kolla_k8s.compile.shapes import contents
from kolla_k8s.compile.words import DATABASE_FILE, GATE_FILE, UWSGI_FILE
from kolla_k8s.errors import Problem
from kolla_k8s.model.catalog import Catalog, derived_secrets, facts_of, has_addresses, workload_of
from kolla_k8s.model.placeholders import FILTERS, OF_HOSTS, WORDS, placeholders
from kolla_k8s.model.service import Service
from kolla_k8s.suggest import did_you_mean


def placeholder_problems(room: Room) -> Iterator[Problem]:
    """Problems of every placeholder that the init step fills in."""
    for path, text in _texts(room.service):
        here = _said_at(room, path)
        for found in placeholders(text):
            if found.word not in WORDS:
                yield room.problem(here, f'no placeholder is called "{found.word}"', did_you_mean(found.word, WORDS))
            for name in set(found.filters) - FILTERS:
                yield room.problem(here, f'{found}: no filter is called "{name}"', did_you_mean(name, FILTERS))
            if found.word == "host" and "ip" in found.filters:
                yield from _kept_address(room, here, found.argument)
            yield from _argument(room, here, found.word, found.argument)


def _kept_address(room: Room, path: Path, argument: str) -> Iterator[Problem]:
    """Who keeps an address is cut off when the Service is made anew with another one."""
    name, _, workload = argument.partition("/")
    service = room.catalog.services.get(name)
    if service and (found := workload_of(service, workload)) and not found.keep_address:
        fact = f"${{host:{argument}|ip}}: the address changes when {name} is uninstalled and comes again"
        yield room.problem(path, fact, "say keep-address: true in the workload that listens there")


def _texts(service: Service) -> Iterator[tuple[Path, str]]:
    """Every text that is filled in, and where it stands."""
    for name, file in service.spec.config.items():
        for where, content in contents(file):
            yield from _leaves(("spec", "config", name, *where), content)
    for path, command, _ in steps(service):
        yield from _leaves(path, list(command))


def _leaves(path: Path, item: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(item, str):
        yield path, item
    elif isinstance(item, dict | list):
        for key, value in item.items() if isinstance(item, dict) else enumerate(item):
            yield from _leaves((*path, key), value)


def _said_at(room: Room, path: Path) -> Path:
    """Where somebody said it: the path itself, or the word that a text of ours follows from."""
    _, _, name, *_ = path
    if room.is_said(path):
        return path
    if room.is_said(path[:3]):
        return (*path[:3], "oslo")
    words = {DATABASE_FILE: ("databases",), GATE_FILE: ("gates",)}
    return ("spec", *words.get(str(name), ("workloads", str(name).removesuffix(UWSGI_FILE), "wsgi")))


def _argument(room: Room, path: Path, word: str, argument: str) -> Iterator[Problem]:
    services = room.catalog.services
    if word == "secret":
        owner, _, name = argument.rpartition("/")
        if owner and owner not in services:
            yield from room.unknown(path, "service", owner, services)
            return
        known = derived_secrets(services[owner] if owner else room.service)
        yield from room.unknown(path, "secret", name, known)
    elif word in OF_HOSTS:
        yield from _host(room, path, word, argument)
    elif word == "transport":
        yield from _transport(room, path, argument)
    elif word == "option":
        yield from room.unknown(path, "option", argument, room.service.spec.options)
    elif word == "fact":
        yield from room.unknown(path, "output of a bootstrap step", argument, facts_of(room.service))
    elif word == "url":
        addresses = _addresses(room.catalog)
        yield from room.unknown(path, "catalogue entry or exposed port", argument, addresses)
        if argument in addresses:
            yield from _needed(room, path, addresses[argument])


def _addresses(catalog: Catalog) -> dict[str, str]:
    """Catalogue entry or exposed port -> the service that it is of."""
    entries = {entry: name for name, service in catalog.services.items() for entry in service.spec.identity.services}
    return entries | {f"{name}/{key}": name for name, each in catalog.services.items() for key in each.spec.expose}


def _needed(room: Room, path: Path, name: str) -> Iterator[Problem]:
    """A problem when a pod is not told where a service is, nor let through to it."""
    if name not in {room.service.name, *room.catalog.needs(room.service.name)}:
        yield room.problem(path, f'"{name}" is used but not needed', f"add {name} to needs.start or needs.run")


def _transport(room: Room, path: Path, argument: str) -> Iterator[Problem]:
    owner, _, user = argument.rpartition("/")
    if owner and owner not in room.catalog.services:
        yield from room.unknown(path, "service", owner, room.catalog.services)
        return
    known = (room.catalog[owner] if owner else room.service).spec.messaging
    yield from room.unknown(path, "messaging user", user, known)
    yield from _host(room, path, "transport", "rabbitmq")


def _host(room: Room, path: Path, word: str, argument: str) -> Iterator[Problem]:
    name, _, workload = argument.partition("/")
    if name not in room.catalog.services:
        yield from room.unknown(path, "service", name, room.catalog.services)
    elif workload and workload not in room.catalog[name].spec.workloads:
        yield from room.unknown(path, f"workload of {name}", workload, room.catalog[name].spec.workloads)
    elif room.catalog.host(argument) is None:
        yield room.problem(path, f"${{{word}:{argument}}}: nothing of it listens", "give a workload of it a port")
    elif word == "addresses" and not has_addresses(room.catalog[name], workload):
        fact = f"${{{word}:{argument}}}: its members have no addresses that stay"
        yield room.problem(path, fact, "say peers.addresses: true in the workload, or use ${hosts:...}")
    else:
        yield from _needed(room, path, name)
