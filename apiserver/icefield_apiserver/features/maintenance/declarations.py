"""Declared maintenance: the Jobs of a workspace that maintain tables on a schedule."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from icefield_apiserver.core.catalog.model import Namespace
from icefield_apiserver.core.catalog.names import DEFAULT_SCHEMA
from icefield_apiserver.core.errors import NotFound
from icefield_apiserver.features.databases.service import DatabaseService
from icefield_apiserver.features.jobs.service import JobService
from icefield_apiserver.features.tables.service import TableService
from icefield_apiserver.features.warehouses.service import WarehouseService
from icefield_apiserver.identity.principal import Principal
from icefield_crds import EnvVar, Job, Privilege, Run
from icefield_crds.maintenance.model import Maintenance
from icefield_crds.names import slugify

from .service import WAREHOUSE_VARIABLE

_LONGEST_NAME = 45
_DIGEST_LENGTH = 8


@dataclass(frozen=True)
class Subject:
    """What is maintained.

    Attributes:
        database: name of the database.
        table: name of the table below it, with its schema unless that is `default`; None for a whole database.
    """

    database: str
    table: str | None = None

    @classmethod
    def of_table(cls, namespace: Namespace, table: str) -> Subject:
        """Return the subject of a table in a namespace."""
        schema = [name for name in namespace[1:] if name != DEFAULT_SCHEMA]
        return cls(namespace[0], ".".join((*schema, table)))

    @property
    def compared(self) -> tuple[str, str | None]:
        """It in lower case, as `Maintenance.subject`."""
        return self.database.lower(), self.table and self.table.lower()

    @property
    def namespace(self) -> Namespace:
        """Where the table is, or the database itself."""
        schema = self.table.rpartition(".")[0] if self.table else ""
        return (self.database, schema) if schema else (self.database,)

    def __str__(self) -> str:
        """Return how SQL names it."""
        return self.database if self.table is None else f"{self.database}.{self.table}"


@dataclass(frozen=True)
class Declaration:
    """The maintenance that a table or a database has.

    Attributes:
        job: the Job that declares it.
        maintenance: what it declares.
        last_run: its newest run.
        next_run_at: when its schedule starts the next one.
        is_inherited: whether a table has it from its database.
        separate_tables: the tables of a database that have declarations of their own, by name.
    """

    job: Job
    maintenance: Maintenance
    last_run: Run | None
    next_run_at: datetime | None
    is_inherited: bool
    separate_tables: tuple[str, ...]


class MaintenanceDeclarations:
    """Reads and writes the declared maintenance of databases and tables.

    Args:
        jobs: the Jobs, which declare it.
        databases: the databases.
        tables: the tables.
        warehouses: where the statements run.
    """

    def __init__(
        self, jobs: JobService, databases: DatabaseService, tables: TableService, warehouses: WarehouseService
    ) -> None:
        self._jobs = jobs
        self._databases = databases
        self._tables = tables
        self._warehouses = warehouses

    async def of_database(self, principal: Principal, database: str) -> Declaration:
        """Return the maintenance of a database.

        Raises:
            NotFound: it has none, or does not exist.
        """
        principal.access.require_sight((database,))
        found = self._find(principal, Subject(database))
        if found is None:
            await self._databases.get(principal, database)
            raise NotFound(f"Database {database} has no maintenance.")
        return found

    async def of_table(self, principal: Principal, namespace: Namespace, table: str) -> Declaration:
        """Return the maintenance of a table: its own, or else its database's.

        Raises:
            NotFound: neither has any, or there is no such table.
        """
        await self._tables.get(principal, namespace, table)
        subject = Subject.of_table(namespace, table)
        found = self._find(principal, subject) or self._find(principal, Subject(namespace[0]), is_inherited=True)
        if found is None:
            raise NotFound(f"Table {subject} has no maintenance, and neither has its database.")
        return found

    async def declare_for_database(
        self, principal: Principal, database: str, fields: Mapping[str, Any], warehouse: str | None
    ) -> Declaration:
        """Declare the maintenance of a database's tables, in place of what was declared.

        Args:
            principal: the caller.
            database: its name.
            fields: of JobSpec; `maintenance` has the operations.
            warehouse: id or name of the warehouse; the workspace's default one when None.

        Raises:
            BadRequest: the schedule or the time zone is invalid.
            NotFound: there is no such database or warehouse.
        """
        await self._databases.get(principal, database)
        return await self._declare(principal, Subject(database), fields, warehouse)

    async def declare_for_table(
        self, principal: Principal, namespace: Namespace, table: str, fields: Mapping[str, Any], warehouse: str | None
    ) -> Declaration:
        """Declare the maintenance of a table, in place of what was declared and of its database's.

        Raises:
            BadRequest: the schedule or the time zone is invalid.
            NotFound: there is no such table or warehouse.
        """
        await self._tables.get(principal, namespace, table)
        return await self._declare(principal, Subject.of_table(namespace, table), fields, warehouse)

    async def remove(self, principal: Principal, subject: Subject) -> None:
        """Remove the declared maintenance of a database or a table, and with it the record of its runs.

        Raises:
            NotFound: it has none of its own.
        """
        _require_own(principal, subject)
        job = self._job_of(principal, subject)
        if job is None:
            raise NotFound(f"{'Database' if subject.table is None else 'Table'} {subject} has no maintenance.")
        await self._jobs.delete(principal, job.public_id)

    def _find(self, principal: Principal, subject: Subject, *, is_inherited: bool = False) -> Declaration | None:
        job = self._job_of(principal, subject)
        return self._declaration(principal, job, is_inherited) if job else None

    def _declaration(self, principal: Principal, job: Job, is_inherited: bool = False) -> Declaration:
        declared = job.spec.maintenance
        assert declared, "a job that maintains tables"  # noqa: S101
        separate: list[str] = []
        if declared.table is None:
            others = (each.spec.maintenance for each in self._jobs.maintaining(principal, declared.database))
            separate = sorted({each.table for each in others if each and each.table})
        last, following = self._jobs.last_run(job), self._jobs.next_run_at(job)
        return Declaration(job, declared, last, following, is_inherited, tuple(separate))

    def _job_of(self, principal: Principal, subject: Subject) -> Job | None:
        """Return the Job that declares the maintenance: of several, which only kubectl can make, the oldest."""
        jobs = self._jobs.maintaining(principal, subject.database)
        same = [job for job in jobs if job.spec.maintenance and job.spec.maintenance.subject == subject.compared]
        return min(same, key=lambda job: (str(job.metadata.creation_timestamp), job.metadata.name), default=None)

    async def _declare(
        self, principal: Principal, subject: Subject, fields: Mapping[str, Any], warehouse: str | None
    ) -> Declaration:
        _require_own(principal, subject)
        operations = fields["maintenance"]
        wanted = {**fields, "maintenance": {**operations, "database": subject.database, "table": subject.table}}
        job = self._job_of(principal, subject)
        kept = [variable for variable in job.spec.env if variable.name != WAREHOUSE_VARIABLE] if job else []
        wanted["env"] = [*kept, *await self._warehouse(principal, warehouse)]
        declared = await self._jobs.declare_maintenance(principal, job, _name_of(subject), wanted)
        return self._declaration(principal, declared)

    async def _warehouse(self, principal: Principal, id_or_name: str | None) -> list[EnvVar]:
        if id_or_name is None:
            return []
        return [EnvVar(name=WAREHOUSE_VARIABLE, value=(await self._warehouses.get(principal, id_or_name)).public_id)]


def _require_own(principal: Principal, subject: Subject) -> None:
    if subject.table is None:
        principal.access.require_in(Privilege.OWN, (subject.database,))
    else:
        principal.access.require(Privilege.OWN, subject.namespace, subject.table.rpartition(".")[2])


def _name_of(subject: Subject) -> str:
    """Return the name of the Job; the digest keeps `a-b` apart from table `b` of `a`."""
    digest = hashlib.sha256("\0".join(name or "" for name in subject.compared).encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{slugify(f'maintain-{subject}', _LONGEST_NAME)}-{digest}"
