"""``bess archive``."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_app.cli.deployment import load_settings
from stream_app.cli.errors import UserError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from stream_app.archive.files import Archive
    from stream_app.archive.sink import Options
    from stream_app.archive.told import Told
    from stream_app.settings import Settings

METRICS_PORT = 9809
"""Beside a worker's."""


def archive(
    directory: Annotated[
        Path, typer.Option("--dir", help="Folder of the archive; made if it is not there.")
    ],
    every: Annotated[
        float, typer.Option(min=1, help="Seconds that a record waits at most for its file.")
    ] = 300.0,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /metrics; 0 picks a free one.")
    ] = METRICS_PORT,
    *,
    once: Annotated[
        bool,
        typer.Option("--once", help="Stop when all is archived that there is now; no /metrics."),
    ] = False,
) -> None:
    """Write windows, health, meters and alarms to Parquet files as the stream publishes them.

    One folder a table, site, system and local day, such as
    `kind=cells_5min/site=north/system=1A1BAT1/date=2025-04-06`; pandas, pyarrow, DuckDB and Polars
    read them as they are. Each result is in the files once, whatever happens to this process: where
    to go on follows from the files. One process writes an archive. SIGTERM writes what waits, and
    ends.
    """
    from aiokafka.errors import KafkaError

    from stream_app.archive.disk import ArchiveError
    from stream_app.archive.files import open_archive
    from stream_app.archive.sink import Options
    from stream_app.archive.told import Told
    from stream_app.logs import configure_logging
    from stream_app.metrics import PortUnavailableError, worker_registry
    from stream_app.metrics.archive import ArchiveMetrics
    from stream_app.reading import StreamError

    settings = load_settings()
    configure_logging(settings)
    registry = worker_registry()
    told = Told(ArchiveMetrics(registry))
    port = None if once else metrics_port
    try:
        with (
            open_archive(directory, settings.prefix) as opened,
            _served(registry, settings.metrics_host, port),
        ):
            asyncio.run(_run(settings, opened, Options(every, once), told))
    except (ArchiveError, StreamError, PortUnavailableError) as fault:
        raise UserError(str(fault)) from fault
    except KafkaError as fault:
        raise UserError(f"Kafka at {settings.brokers}: {fault}") from fault
    done = told.summary
    typer.echo(
        f"{directory}: {done.records:,} records, {done.rows:,} rows, {done.files:,} files, "
        f"{done.bytes:,} bytes written"
        + (f"; {done.lost:,} offsets were deleted unread" if done.lost else "")
    )


async def _run(settings: "Settings", opened: "Archive", options: "Options", told: "Told") -> None:
    from stream_app.archive.sink import run

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    await run(settings, opened, options, stop, told)


@contextmanager
def _served(registry: "CollectorRegistry", host: str, port: int | None) -> Iterator[None]:
    """Serve /metrics meanwhile, if a port is given."""
    from stream_app.metrics import serve

    server = None if port is None else serve(registry, host, port)
    try:
        yield
    finally:
        if server is not None:
            server.close()
