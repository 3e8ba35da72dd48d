"""Statements as OpenLineage events, sent to a configured receiver with the openlineage client.

(OpenLineage, "Object Model" and "Facets".) Events are made and sent by one thread out of a bounded queue: a receiver
that is slow or unavailable delays no statement; events that find the queue full are dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Self

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    set_producer,
    sql_job,
)
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
from prometheus_client import Counter

from icefield_apiserver.core.settings import OpenLineageSettings
from icefield_apiserver.features.lineage.service import SourceColumn, TableAccess, accesses_in

from .models import Statement
from .write_lineage import WriteLineage

log = logging.getLogger(__name__)

PRODUCER = "https://icefield.dev"
QUEUED = 1000
SEND_SECONDS = 5.0
LAST_SECONDS = 5.0
"""How long events that are queued may still be sent when the process ends."""

DROPPED = Counter("icefield_apiserver_openlineage_dropped_total", "OpenLineage events that were not sent.")

_STATES = {"succeeded": RunState.COMPLETE, "failed": RunState.FAIL, "cancelled": RunState.ABORT}


class LineageEvents:
    """Sends events of statements to a receiver, if there is one.

    Args:
        client: the openlineage client; None to send nothing.
        namespace: prefix of the namespaces.
    """

    def __init__(self, client: OpenLineageClient | None, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._queue: asyncio.Queue[RunEvent] = asyncio.Queue(QUEUED)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: OpenLineageSettings) -> AsyncIterator[Self]:
        """Send events for as long as the context lasts, where a receiver is configured."""
        events = cls(_client(settings) if settings.url else None, settings.namespace)
        if events._client is None:
            yield events
            return
        sender = asyncio.create_task(events._send())
        try:
            yield events
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await events._queue.join()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    def statement_started(self, statement: Statement) -> None:
        """Send that a statement was submitted."""
        if self._client:
            self._put(self._event(statement, RunState.START, statement.submitted_at))

    def statement_ended(self, statement: Statement) -> None:
        """Send how a statement ended, and what it read and wrote."""
        if self._client:
            self._put(self._event(statement, _STATES[statement.status], statement.finished_at or datetime.now(UTC)))

    def _put(self, event: RunEvent) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            DROPPED.inc()

    async def _send(self) -> None:
        assert self._client  # noqa: S101 - it is only called with one
        while True:
            event = await self._queue.get()
            try:
                await asyncio.to_thread(self._client.emit, event)
            except Exception as error:  # no failure of a receiver may end the loop
                DROPPED.inc()
                log.warning("an OpenLineage event was not accepted: %s: %s", type(error).__name__, error)
            finally:
                self._queue.task_done()

    def _event(self, statement: Statement, state: RunState, moment: datetime) -> RunEvent:
        namespace = f"{self._namespace}://{statement.workspace}"
        lineage = statement.lineage or {}
        is_success = statement.status == "succeeded"
        outputs = accesses_in(lineage, "written") if is_success else ()
        return RunEvent(
            eventType=state,
            eventTime=moment.isoformat(),
            producer=PRODUCER,
            run=Run(runId=run_id(statement), facets=_run_facets(statement, namespace, state)),
            job=Job(namespace=namespace, name=f"warehouse.{statement.warehouse}.sql", facets=_job_facets(statement)),
            inputs=[
                InputDataset(namespace=namespace, name=_name(statement, each), facets=_facets(each))
                for each in accesses_in(lineage, "read")
            ],
            outputs=[
                OutputDataset(
                    namespace=namespace,
                    name=_name(statement, each),
                    facets={**_facets(each), **_columns(statement, namespace, outputs)},
                    outputFacets=_statistics(statement, outputs),
                )
                for each in outputs
            ],
        )


def run_id(statement: Statement) -> str:
    """Return the UUID of a statement's OpenLineage run."""
    return str(uuid.UUID(statement.id.rpartition("_")[2]))


def _client(settings: OpenLineageSettings) -> OpenLineageClient:
    set_producer(PRODUCER)
    key = settings.api_key.get_secret_value() if settings.api_key else None
    auth = ApiKeyTokenProvider({"api_key": key}) if key else TokenProvider({})
    config = HttpConfig(url=str(settings.url), endpoint=settings.endpoint, timeout=SEND_SECONDS, auth=auth)
    return OpenLineageClient(transport=HttpTransport(config))


def _run_facets(statement: Statement, namespace: str, state: RunState) -> dict[str, Any]:
    facets: dict[str, Any] = {}
    if statement.engine:
        facets["processing_engine"] = processing_engine_run.ProcessingEngineRunFacet(
            version="unknown", name=statement.engine
        )
    if statement.run_uid:
        facets["parent"] = parent_run.ParentRunFacet(
            run=parent_run.Run(runId=statement.run_uid), job=parent_run.Job(namespace=namespace, name="run")
        )
    if state is RunState.FAIL:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=statement.error_message or "", programmingLanguage="SQL"
        )
    return facets


def _job_facets(statement: Statement) -> dict[str, Any]:
    return {
        "sql": sql_job.SQLJobFacet(query=statement.query, dialect=statement.dialect),
        "jobType": job_type_job.JobTypeJobFacet(processingType="BATCH", integration="ICEFIELD", jobType="QUERY"),
    }


def _name(statement: Statement, table: TableAccess) -> str:
    """Return the name of a dataset: without the catalog, which is the namespace."""
    return table[0].removeprefix(f"{statement.workspace}.")


def _facets(table: TableAccess) -> dict[str, Any]:
    if table[1] is None:
        return {}
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(table[1]))}


def _columns(statement: Statement, namespace: str, outputs: Sequence[TableAccess]) -> dict[str, Any]:
    """Return the facet of the columns of the one output that a statement has."""
    columns = WriteLineage.from_json(statement.write_lineage).columns if statement.write_lineage else None
    if columns is None or len(outputs) != 1:
        return {}

    def inputs(sources: Sequence[SourceColumn]) -> list[column_lineage_dataset.InputField]:
        return [
            column_lineage_dataset.InputField(
                namespace=namespace,
                name=each.uuid.removeprefix(f"{statement.workspace}."),
                field=each.column,
                transformations=[column_lineage_dataset.Transformation(type=each.type, subtype=each.subtype)],
            )
            for each in sources
        ]

    fields = {
        name: column_lineage_dataset.Fields(inputFields=inputs(sources)) for name, sources in columns.fields.items()
    }
    facet = column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields, dataset=inputs(columns.dataset))
    return {"columnLineage": facet}


def _statistics(statement: Statement, outputs: Sequence[TableAccess]) -> dict[str, Any]:
    if statement.rows_produced is None or len(outputs) != 1:
        return {}
    rows = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=statement.rows_produced)
    return {"outputStatistics": rows}
