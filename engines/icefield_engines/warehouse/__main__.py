"""`python -m icefield_engines.warehouse`: the gateway of a warehouse's pod."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal

from aiohttp import web

from icefield_crds.wire.gateway import EngineName

from .duck.engine import DuckDBEngine
from .duck.process import DuckDBProcess
from .engine import Engine
from .errors import Scrubber
from .http import Gateway
from .registry import Registry
from .results.upload import Bucket
from .runner import Runner
from .settings import CatalogSettings, Settings, StoreSettings
from .spark.connection import SparkConnection
from .spark.engine import SparkEngine
from .writes.appender import Appender

log = logging.getLogger("icefield.warehouse")

SHUTDOWN_SECONDS = 5.0
"""Seconds in which callers that wait for a statement are answered."""


async def serve() -> None:
    """Serve until SIGTERM, then until running statements have ended, or their time is over."""
    settings, store, catalog = Settings(), StoreSettings(), CatalogSettings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    duckdb = DuckDBProcess()
    await duckdb.start()
    appender = Appender(catalog, store)
    engines: dict[EngineName, Engine] = {EngineName.DUCKDB: DuckDBEngine(duckdb, settings.duckdb_statements, appender)}
    spark = SparkConnection(settings.spark_remote, settings.spark_statements)
    if settings.spark:
        engines[EngineName.SPARK] = SparkEngine(spark, settings.spark_statements, settings.spark_wait_seconds)
    token = settings.gateway_token.get_secret_value()
    secrets = [store.secret_access_key, settings.gateway_token, catalog.token]
    scrub = Scrubber([store.access_key_id, *(secret.get_secret_value() for secret in secrets)])
    async with Bucket.open(store) as bucket:
        runner = Runner(engines, bucket, scrub)
        at_once = sum(engine.statements_at_once for engine in engines.values())
        registry = Registry(runner.run, settings.waiting_statements + at_once)
        gateway = Gateway(registry, engines, runner.store, token, f"{store.prefix.strip('/')}/results/")
        web_runner = web.AppRunner(gateway.app(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await web_runner.setup()
        try:
            await web.TCPSite(web_runner, settings.gateway_host, settings.gateway_port).start()
            monitoring = [asyncio.create_task(duckdb.keep())]
            if settings.spark:
                monitoring.append(asyncio.create_task(spark.keep()))
            monitoring.append(asyncio.create_task(_warm_up(appender)))
            log.info("Serving warehouse %s of workspace %s", settings.warehouse, settings.workspace)
            await _wait_for_signal()
            await registry.drain(settings.drain_seconds)
            for task in monitoring:
                task.cancel()
        finally:
            await web_runner.cleanup()
            runner.close()


async def _warm_up(appender: Appender) -> None:
    await asyncio.to_thread(appender.warm_up)
    _exempt_from_collection()


def _exempt_from_collection() -> None:
    """Exempt what lives as long as the process from garbage collection: a full one stops every call for 50 ms."""
    gc.collect()
    gc.freeze()


async def _wait_for_signal() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve())
    logging.shutdown()
    # Not sys.exit: threads of engines that do not stop, and of gRPC, would keep the process.
    os._exit(0)
