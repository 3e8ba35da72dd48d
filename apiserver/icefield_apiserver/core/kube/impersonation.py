"""The Kubernetes user that a write is made as.

Kubernetes takes the user from `Impersonate-User` and extras from `Impersonate-Extra-<key>`. A key is lower-cased and
percent-decoded, so the slash of `icefield.dev/person` travels as %2f; RBAC then asks for the verb `impersonate` on
`userextras/icefield.dev/person` (group authentication.k8s.io) with the value as the resource's name
(k8s.io/apiserver, pkg/endpoints/filters/impersonation.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from icefield_crds import Role
from icefield_crds.names import PERSON_EXTRA, PLATFORM_ADMIN_USER, impersonated_user

_EXTRA_HEADER = f"Impersonate-Extra-{quote(PERSON_EXTRA, safe='').lower()}"


@dataclass(frozen=True)
class Impersonation:
    """The Kubernetes user that a write is made as, and the person who made it.

    Attributes:
        user: `icefield:<slug>:<role>` or `icefield:platform:admin`.
        person: e-mail address or `run:<name>`; ends up in Kubernetes' audit log.
    """

    user: str
    person: str

    @classmethod
    def of_member(cls, workspace: str, role: Role, person: str) -> Impersonation:
        """Return the Kubernetes user of a caller with this role in the workspace with this slug."""
        return cls(impersonated_user(workspace, role.value), person)

    @classmethod
    def of_platform_admin(cls, person: str) -> Impersonation:
        """Return the Kubernetes user of a platform administrator, for Workspaces and Flavors."""
        return cls(PLATFORM_ADMIN_USER, person)

    @property
    def headers(self) -> dict[str, str]:
        """The request headers that carry it."""
        return {"Impersonate-User": self.user, _EXTRA_HEADER: self.person}
