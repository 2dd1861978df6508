"""Which images are made, and what each is made from. A new image is a line here."""

from __future__ import annotations

from dataclasses import dataclass

RELEASE = "2026.1"
SUITE = "trixie"
TAG = f"{RELEASE}-debian-{SUITE}"
NAMESPACE = "openstack.kolla"
KOLLA = "kolla>=22.2,<23"
REPOSITORIES = (
    "docker-ce",
    "erlang",
    "fluentd",
    "grafana",
    "haproxy",
    "mariadb",
    "opensearch",
    "opensearch-dashboards",
    "proxysql",
    "rabbitmq",
)


@dataclass(frozen=True, slots=True)
class Image:
    """An image by Kolla's name.

    Attributes:
        sdist: Project and version on PyPI of the series, for images with a service's code.
        base: Section of kolla-build's configuration that takes the sdist.
    """

    name: str
    sdist: str = ""
    base: str = ""


IMAGES = (
    Image("memcached"),
    Image("rabbitmq"),
    Image("mariadb-server"),
    Image("keystone", sdist="keystone==29.1.0", base="keystone-base"),
)
