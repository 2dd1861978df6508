"""What the models of this room are made of: the shapes of words, and how strictly a part is read.

Apart so that workloads, services and sites agree on what a name is. Keys are written with dashes in YAML
(``for-each``) and with underscores here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$")]
"""A DNS label of at most 42 characters, so that every name made from it stays under Kubernetes' 63."""

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][-._A-Za-z0-9]{0,99}$")]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^(/([-_A-Za-z0-9]|\.[-_A-Za-z0-9])[-._A-Za-z0-9]*)+$")]
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Reason = Annotated[str, StringConstraints(min_length=10)]
Argv = list[str]


class Strict(BaseModel):
    """A part of a definition: immutable, no unknown keys, dashes in YAML."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, defer_build=True, alias_generator=lambda name: name.replace("_", "-")
    )
