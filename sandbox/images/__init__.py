"""Real Kolla images, made by the real kolla-build from Debian's packages and PyPI, in the sandbox's registry."""
