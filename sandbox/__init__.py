"""A real Kubernetes on one machine, made from package registries alone, for trying kolla-k8s and for its tests."""
