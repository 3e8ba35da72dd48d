"""`python -m icefield_engines.warehouse`: the gateway of a warehouse's pod."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

from aiohttp import web

from .duck.database import open_database
from .duck.engine import DuckDBEngine
from .engine import Engine
from .errors import Scrubber
from .http import Gateway
from .protocol import EngineName
from .registry import Registry
from .results.upload import Bucket
from .runner import Runner
from .settings import Settings, StoreSettings
from .spark.engine import SparkEngine
from .spark.link import SparkLink

log = logging.getLogger("icefield.warehouse")

LAST_ANSWERS = 5.0
"""Seconds in which callers that wait for a statement are told its end."""


async def serve() -> None:
    """Serve until SIGTERM, then until what runs has ended or the time for that is over."""
    settings, store = Settings(), StoreSettings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    database = await asyncio.to_thread(open_database, settings, store)
    engines: dict[EngineName, Engine] = {EngineName.DUCKDB: DuckDBEngine(database, settings.duckdb_statements)}
    link = SparkLink(settings.spark_remote, settings.spark_statements)
    if settings.spark:
        engines[EngineName.SPARK] = SparkEngine(link, settings.spark_statements, settings.spark_wait_seconds)
    token = settings.gateway_token.get_secret_value()
    secrets = [store.secret_access_key, settings.gateway_token, settings.catalog_token]
    scrub = Scrubber([store.access_key_id, *(secret.get_secret_value() for secret in secrets)])
    async with Bucket.open(store) as bucket:
        runner = Runner(engines, bucket, scrub)
        at_once = sum(engine.statements_at_once for engine in engines.values())
        registry = Registry(runner.run, settings.waiting_statements + at_once)
        gateway = Gateway(registry, engines, token, f"{store.prefix.strip('/')}/results/")
        web_runner = web.AppRunner(gateway.app(), access_log=None, shutdown_timeout=LAST_ANSWERS)
        await web_runner.setup()
        try:
            await web.TCPSite(web_runner, settings.gateway_host, settings.gateway_port).start()
            keeping = asyncio.create_task(link.keep()) if settings.spark else None
            log.info("Serving warehouse %s of workspace %s", settings.warehouse, settings.workspace)
            await _until_told_to_stop()
            await registry.drain(settings.drain_seconds)
            if keeping:
                keeping.cancel()
        finally:
            await web_runner.cleanup()
            runner.close()


async def _until_told_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve())
    logging.shutdown()
    # Not sys.exit: threads of engines that do not stop, and of gRPC, would keep the process.
    os._exit(0)
