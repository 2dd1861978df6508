"""kolla-k8s: service definitions become Helm charts; charts and a site file become a running OpenStack."""

__version__ = "0.1.0"
