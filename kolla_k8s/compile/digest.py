"""What a chart's content is told apart by; apart from rendering, whose libraries an install does not need."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def chart_digest(files: Mapping[str, str]) -> str:
    """Digest of a chart's content, its own ``Chart.yaml`` left out."""
    content = json.dumps({path: text for path, text in files.items() if path != "Chart.yaml"}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
