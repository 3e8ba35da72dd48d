"""Common parts of all custom resources: metadata, conditions, and the base class of the kinds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from .conditions import ConditionType, Reason
from .names import API_VERSION, public_id

CONDITION_MESSAGE_LIMIT = 32768


def format_time(value: datetime) -> str:
    """Return a time as the RFC 3339 UTC string that Kubernetes writes (whole seconds, `Z`)."""
    # Ten times as fast as strftime, and called for each time of each status.
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


Time = Annotated[datetime, PlainSerializer(format_time, return_type=str)]
"""A point in time in UTC; serialized as RFC 3339 with whole seconds, as metav1.Time is."""

Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$",
        }
    ),
]
"""A Kubernetes resource.Quantity, such as `2`, `500m` or `1Gi`."""


class Model(BaseModel):
    """The base of everything in a resource: snake_case in Python, camelCase in Kubernetes, immutable in memory."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def to_api(self) -> dict[str, Any]:
        """Return the JSON object that Kubernetes stores; fields without a value are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class OwnerReference(Model):
    """metav1.OwnerReference."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Model):
    """The parts of metav1.ObjectMeta that we read or write."""

    name: str = ""
    generate_name: str | None = None
    namespace: str | None = None
    uid: str = ""
    resource_version: str | None = None
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: list[str] = []
    owner_references: list[OwnerReference] = []


class Condition(Model):
    """One aspect of a resource's state: metav1.Condition."""

    type: Annotated[str, Field(description="What the condition is about.", max_length=316)]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="True, False or Unknown.")]
    reason: Annotated[str, Field(description="Machine-readable reason in CamelCase.", max_length=1024)]
    message: Annotated[str, Field(description="Reason in one sentence.", max_length=CONDITION_MESSAGE_LIMIT)]
    last_transition_time: Annotated[Time, Field(description="When the status last changed.")]
    observed_generation: Annotated[
        int | None, Field(description="metadata.generation that the condition is about.", ge=0)
    ] = None


class Status(Model):
    """Fields of every kind's status."""

    observed_generation: Annotated[
        int | None, Field(description="metadata.generation that this status is about.", ge=0)
    ] = None
    conditions: Annotated[
        list[Condition],
        Field(
            description="Conditions of the resource; Ready, Reconciling and Stalled follow kstatus.",
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = []

    def condition(self, type_: ConditionType) -> Condition | None:
        """Return the condition of this type, or None."""
        return next((c for c in self.conditions if c.type == type_), None)

    def is_true(self, type_: ConditionType) -> bool:
        """Whether the condition of this type exists and is True."""
        found = self.condition(type_)
        return found is not None and found.status == "True"


def merge_conditions(
    old: list[Condition],
    wanted: list[tuple[ConditionType, bool, Reason, str]],
    *,
    generation: int,
    now: datetime,
) -> list[Condition]:
    """Return the wanted conditions; each whose status did not change keeps its transition time.

    Args:
        old: the conditions as last written.
        wanted: (type, is it True, reason, message) of every condition.
        generation: the metadata.generation that they are about.
        now: the transition time of what changes.
    """
    since = {(c.type, c.status): c.last_transition_time for c in old}
    return [
        Condition(
            type=type_,
            status="True" if is_true else "False",
            reason=reason,
            message=message[:CONDITION_MESSAGE_LIMIT],
            last_transition_time=since.get((type_.value, "True" if is_true else "False"), now),
            observed_generation=generation,
        )
        for type_, is_true, reason, message in wanted
    ]


SpecT = TypeVar("SpecT", bound=Model)
StatusT = TypeVar("StatusT", bound=Status)


class Resource(Model, Generic[SpecT, StatusT]):
    """A custom resource; each kind binds its spec and status, and declares its names."""

    KIND: ClassVar[str]
    PLURAL: ClassVar[str]
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ()
    NAMESPACED: ClassVar[bool] = True
    RECONCILED: ClassVar[bool] = True
    """Whether the operator reconciles it, and so writes its status."""
    ID_PREFIX: ClassVar[str]
    PRINTER_COLUMNS: ClassVar[tuple[dict[str, object], ...]] = ()
    NAME_RULES: ClassVar[tuple[dict[str, str], ...]] = ()
    """CEL rules of metadata.name."""

    api_version: str = API_VERSION
    kind: str = ""
    metadata: ObjectMeta
    spec: SpecT
    status: StatusT | None = None

    @property
    def public_id(self) -> str:
        """The id that REST shows: derived from metadata.uid, stored nowhere."""
        return public_id(self.ID_PREFIX, self.metadata.uid)

    @property
    def owner_reference(self) -> OwnerReference:
        """The reference by which children name this resource as their controller."""
        return OwnerReference(
            api_version=API_VERSION,
            kind=self.KIND,
            name=self.metadata.name,
            uid=self.metadata.uid,
            controller=True,
            block_owner_deletion=True,
        )


AnyResource = Resource[Any, Any]
