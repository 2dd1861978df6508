"""Which options a service's release knows: the lists beside the definitions, made from the images themselves.

An option that oslo.config does not know is read by nobody: a misspelt one is silently without effect for years.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Lists = Mapping[str, Mapping[str, Sequence[str]]]
"""List -> section -> options."""

LOGIN = frozenset(
    {"auth_type", "auth_url", "interface", "password", "project_domain_name", "project_name", "region_name"}
) | frozenset({"user_domain_name", "username", "valid_interfaces"})
"""What a section that logs in takes besides: options of keystoneauth's plugin, which no list holds."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a file may say: options by section, and for sections that options name, whose options they take."""

    sections: Mapping[str, Sequence[str]]
    like: Mapping[str, str] = field(default_factory=dict)

    def unknown(self, content: Any) -> Iterator[tuple[str, str, Sequence[str]]]:
        """``(section, option, names that would do)`` for all that nobody reads; no option when the section is it."""
        for section, options in content.items() if isinstance(content, Mapping) else ():
            if not isinstance(options, Mapping):
                continue
            listed = self.sections.get(self.like.get(section, section))
            if listed is None:
                yield section, "", sorted({*self.sections, *self.like})
                continue
            known = {*listed, *(LOGIN if {"auth_type", "auth_url"} & set(listed) else ())}
            for option in options:
                if option not in known:
                    yield section, option, sorted(known)
