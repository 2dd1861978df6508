"""Which of our errors does helm mean by its words?

Helm has one exit code for everything, so its stderr is all there is. Pure, apart from the process, so that each saying
helm was ever heard of can be tested without it. What no rule knows stays a plain ``HelmError`` with helm's own words.
"""

from __future__ import annotations

import re

from kolla_k8s.errors import ConflictError, OutsideError, RefusedError

AGAIN = "run the same command again"
_LONGEST = 1500


class HelmError(OutsideError):
    """Helm said no; the fact holds its own last words."""


class PendingError(HelmError):
    """The newest record of the release says that another helm is at work on it."""


class UnreachableError(HelmError):
    """Helm could not reach the API, or lost it on the way."""


_RULES: tuple[tuple[type[OutsideError], str, str], ...] = (
    (
        PendingError,
        r"another operation \(install/upgrade/rollback\) is in progress",
        f"{AGAIN}: it unlocks the release",
    ),
    (
        RefusedError,
        (
            r"Too long: .* 1048576|(?i:request entity too large)|etcdserver: request is too large"
            r"|message larger than max|status code 413"
        ),
        f"chart and values of a release may have 1 MiB in all, packed: make the site's part of it smaller and {AGAIN}",
    ),
    (
        UnreachableError,
        (
            r"cluster unreachable|connection refused|connection reset|i/o timeout|TLS handshake timeout|no such host"
            r"|etcdserver:|server is currently unable|(?i:too many requests)|http2: client connection lost|: EOF\b"
            r"|no route to host|context deadline exceeded.*awaiting headers|server was unable to return a response"
            r"|unexpected EOF$|an error on the server .* has prevented the request|request did not complete within"
            r"|server sent GOAWAY|broken pipe|use of closed network connection"
        ),
        AGAIN,
    ),
    (OutsideError, r"forbidden: User|Unauthorized|must be logged in", "ask for the right, see `kolla-k8s check`"),
    (
        HelmError,
        (  # helm overlooks a record that it cannot read: then none is left, or the next number is taken
            r"no revision for release|release: already exists|illegal base64|gzip: invalid"
            r"|invalid character .* looking for|release .* decod|unexpected end of JSON"
        ),
        f"a release record is broken: delete its newest Secret (type helm.sh/release.v1) and {AGAIN}",
    ),
    (
        ConflictError,
        r"invalid ownership metadata|exists and cannot be imported",
        "remove the object, or give it helm's ownership labels, and repeat",
    ),
    (
        ConflictError,
        r"conflicts? with \"|conflict occurred while applying|Apply failed with \d+ conflict|has been modified",
        f"undo the change made past helm and {AGAIN}",
    ),
    (
        RefusedError,
        (
            r"admission webhook|violates PodSecurity|exceeded quota|is forbidden|is invalid|Unsupported value"
            r"|Invalid value|denied the request|field is immutable|values don't meet the specifications"
        ),
        f"mend the cause and {AGAIN}",
    ),
)
RULES = tuple((kind, re.compile(pattern, re.MULTILINE), way_out) for kind, pattern, way_out in _RULES)


def explained(release: str, said: str) -> OutsideError:
    """The error that helm's stderr means; its own words are kept, but for warnings."""
    lines = [line for line in said.strip().splitlines() if line.strip() and not line.startswith(("WARNING", "level="))]
    words = " ".join(line.strip() for line in lines)[-_LONGEST:].removeprefix("Error: ") or "ended without a word"
    for kind, pattern, way_out in RULES:
        if pattern.search(words):
            return kind(release, words, way_out)
    return HelmError(release, words, f"mend the cause and {AGAIN}")
