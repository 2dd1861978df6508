"""Which images are made, and what each is made from. A new image is a line here."""

from __future__ import annotations

from collections.abc import Sequence
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
        group: Images that are made together: ``control`` for every run, ``compute`` for a cloud that boots servers,
            ``ovs`` for Open vSwitch's agents in OVN's place.
    """

    name: str
    sdist: str = ""
    base: str = ""
    group: str = "control"


SDISTS = {
    "cinder": "cinder==28.0.0",
    "glance": "glance==32.0.0",
    "heat": "openstack-heat==26.0.2",
    "neutron": "neutron==28.0.2",
    "nova": "nova==33.0.2",
    "placement": "openstack-placement==15.0.0",
}
SERVICES = {
    "cinder": ("api", "backup", "scheduler", "volume"),
    "glance": ("api",),
    "heat": ("api", "api-cfn", "engine"),
    "neutron": ("metadata-agent", "ovn-agent", "server"),
    "nova": ("api", "compute", "conductor", "novncproxy", "scheduler"),
    "placement": ("api",),
}
FROM_DEBIAN = (
    "nova-libvirt",
    "openvswitch-db-server",
    "openvswitch-vswitchd",
    "ovn-controller",
    "ovn-nb-db-server",
    "ovn-northd",
    "ovn-sb-db-server",
)

IMAGES = (
    Image("memcached"),
    Image("rabbitmq"),
    Image("mariadb-server"),
    Image("keystone", sdist="keystone==29.1.0", base="keystone-base"),
    *(
        Image(f"{service}-{part}", sdist=SDISTS[service], base=f"{service}-base", group="compute")
        for service, parts in SERVICES.items()
        for part in parts
    ),
    Image("horizon", sdist="horizon==26.0.0", base="horizon", group="compute"),
    *(Image(name, group="compute") for name in FROM_DEBIAN),
    *(
        Image(f"neutron-{part}-agent", sdist=SDISTS["neutron"], base="neutron-base", group="ovs")
        for part in ("dhcp", "l3", "openvswitch")
    ),
)


def chosen(names: Sequence[str] = ()) -> tuple[Image, ...]:
    """Images that names of images and groups stand for, in the table's order; without a name, those of ``control``.

    Raises:
        RuntimeError: A name is neither an image's nor a group's.
    """
    groups = sorted({image.group for image in IMAGES})
    for name in sorted(set(names) - {image.name for image in IMAGES} - set(groups)):
        raise RuntimeError(f'no image or group is called "{name}"; the groups are {", ".join(groups)}')
    return tuple(image for image in IMAGES if {image.name, image.group} & set(names or ["control"]))
