"""What the administrators of a workspace may change of the Workspace itself, as an admission policy.

RBAC lets them patch the whole object: which of its fields are theirs follows from the kind, so a new field of the spec
is the platform team's until it is named in `FIELDS_OF_ITS_ADMINS`.
"""

from __future__ import annotations

from typing import Any

from pydantic.alias_generators import to_camel

from .names import GROUP, SYSTEM_NAMESPACE
from .workspace import FIELDS_OF_ITS_ADMINS, Workspace, WorkspaceSpec

NAME = "icefield-workspace-admin-boundary"
_POLICY = "admissionregistration.k8s.io/v1"
_EXEMPT = (
    # It changes metadata only, which its own boundary states.
    f"system:serviceaccount:{SYSTEM_NAMESPACE}:icefield-operator",
    # It removes finalizers and owners.
    "system:serviceaccount:kube-system:generic-garbage-collector",
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def policy() -> dict[str, Any]:
    """Return the ValidatingAdmissionPolicy."""
    kind = Workspace.PLURAL
    kept = sorted(set(WorkspaceSpec.model_fields) - FIELDS_OF_ITS_ADMINS)
    theirs = ", ".join(f"spec.{to_camel(field)}" for field in sorted(FIELDS_OF_ITS_ADMINS))
    spec = " && ".join(f"object.spec.?{to_camel(field)} == oldObject.spec.?{to_camel(field)}" for field in kept)
    return {
        "apiVersion": _POLICY,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAME},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [GROUP],
                        "apiVersions": ["*"],
                        "operations": ["UPDATE"],
                        "resources": [kind],
                    }
                ]
            },
            "matchConditions": [
                {
                    "name": "by-no-part-of-the-platform",
                    "expression": f"!(request.userInfo.username in {list(_EXEMPT)!r})",
                },
                {
                    "name": "by-nobody-who-makes-workspaces",
                    "expression": f"!authorizer.group('{GROUP}').resource('{kind}').check('create').allowed()",
                },
            ],
            "variables": [
                {
                    "name": "before",
                    "expression": "has(oldObject.metadata.annotations) ? oldObject.metadata.annotations : {}",
                },
                {"name": "after", "expression": "has(object.metadata.annotations) ? object.metadata.annotations : {}"},
            ],
            "validations": [
                {
                    "expression": spec,
                    "message": f"The administrators of a workspace change {theirs}; the rest is the platform team's.",
                    "reason": "Forbidden",
                },
                {
                    "expression": " && ".join(
                        (
                            *(
                                f"object.metadata.?{field} == oldObject.metadata.?{field}"
                                for field in ("labels", "finalizers", "ownerReferences")
                            ),
                            f"variables.before.all(key, key == '{_LAST_APPLIED}' || "
                            "(key in variables.after && variables.after[key] == variables.before[key]))",
                            f"variables.after.all(key, key == '{_LAST_APPLIED}' || key in variables.before)",
                        )
                    ),
                    "message": "The administrators of a workspace do not change its metadata.",
                    "reason": "Forbidden",
                },
            ],
        },
    }


def binding() -> dict[str, Any]:
    """Return the binding that puts the policy into force."""
    return {
        "apiVersion": _POLICY,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": NAME},
        "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    }
