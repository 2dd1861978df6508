"""Which options a service's release knows: the lists beside the definitions, made from the images themselves.

An option that oslo.config does not know is read by nobody: a misspelt one is silently without effect for years.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Lists = Mapping[str, Mapping[str, Sequence[str]]]
"""List -> section -> options."""

LOGIN = frozenset(
    {
        "application_credential_id",
        "application_credential_name",
        "application_credential_secret",
        "auth_type",
        "auth_url",
        "default_domain_id",
        "default_domain_name",
        "domain_id",
        "domain_name",
        "interface",
        "password",
        "project_domain_id",
        "project_domain_name",
        "project_id",
        "project_name",
        "region_name",
        "system_scope",
        "token",
        "trust_id",
        "user_domain_id",
        "user_domain_name",
        "user_id",
        "username",
        "valid_interfaces",
    }
)
"""What a section that logs in takes besides: options of keystoneauth's plugins, which no list holds."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a file may say.

    Attributes:
        sections: Section -> its options.
        like: Section that is always there -> section whose options it takes.
        named_by: ``section/option`` that lists sections, each as ``name`` or ``name:type`` -> section whose options
            they take; ``*`` is the type, and ``prefix*`` stands for itself: the prefix is before each name.
    """

    sections: Mapping[str, Sequence[str]]
    like: Mapping[str, str] = field(default_factory=dict)
    named_by: Mapping[str, str] = field(default_factory=dict)

    def unknown(self, content: Any) -> Iterator[tuple[str, str, Sequence[str]]]:
        """``(section, option, names that would do)`` for all that nobody reads; no option when the section is it."""
        for section, options in content.items() if isinstance(content, Mapping) else ():
            if not isinstance(options, Mapping):
                continue
            listed = self.sections.get(self.like.get(section, section))
            if listed is None or section.endswith("*"):
                yield section, "", sorted(name for name in {*self.sections, *self.like} if not name.endswith("*"))
                continue
            known = {*listed, *(LOGIN if {"auth_type", "auth_url"} & set(listed) else ())}
            for option in options:
                if option not in known:
                    yield section, option, sorted(known)

    def naming(self, *contents: Any) -> Known:
        """The same, with the sections that options of these contents name."""
        found = {name: whose for content in contents for name, whose in self._named(content)}
        return replace(self, like={**found, **self.like}) if found else self

    def _named(self, content: Any) -> Iterator[tuple[str, str]]:
        """Sections that options of a content name, and whose options they take; what the list holds is itself."""
        for option, listed in self.named_by.items() if isinstance(content, Mapping) else ():
            section, _, key = option.partition("/")
            options = content.get(section)
            for item in _items(options.get(key)) if isinstance(options, Mapping) else ():
                said, _, kind = item.partition(":")
                whose = kind if listed == "*" else listed
                name = f"{listed.removesuffix('*')}{said}" if listed.endswith("*") else said
                if said and name not in self.sections:
                    yield name, self.like.get(whose, whose)


def _items(value: Any) -> list[str]:
    """Items of a list as oslo.config reads it."""
    items = value if isinstance(value, list) else str(value or "").split(",")
    return [str(item).strip() for item in items]
