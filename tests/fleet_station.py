"""A small generated station, folded by the real pipeline, for tests of what is shown of it."""

import numpy as np

from stream_app.core.battery import (
    Battery,
    BatteryRules,
    CellSamples,
    MeterPoint,
    MeterSamples,
    SystemSamples,
)
from stream_app.core.battery_system import BatteryState, fold_battery
from stream_app.core.messages import Configure, EndOfData, PowerSamples
from stream_app.core.meters import MeterState, fold_meter
from stream_app.core.topology import PowerBlock, Rules
from stream_app.metrics import LiveView, PipelineMetrics
from stream_app.pipeline import BlockState, fold

MIDNIGHT_MS = 1_717_200_000_000  # 2024-06-01T00:00Z
QUARTER_MS = 900_000


def block(name: str = "INV-1", enclosures: int = 4, **rules: object) -> PowerBlock:
    """Two DC inputs with half of the enclosures each, in equal shares."""
    half = enclosures // 2
    inputs = {
        f"DC{i + 1}": {f"{name}.E{i * half + e + 1}": 1 / half for e in range(half)}
        for i in range(2)
    }
    return PowerBlock("north", name, "UTC", inputs, Rules(**rules))  # type: ignore[arg-type]


def folded(
    power_w: dict[str, list[float]], start_ms: int = MIDNIGHT_MS, of: PowerBlock | None = None
) -> BlockState:
    """The state after samples every 15 minutes from ``start_ms``; NaN is no value."""
    state = BlockState()
    size = len(next(iter(power_w.values())))
    times = start_ms + QUARTER_MS * np.arange(size, dtype=np.int64)
    columns = {name: np.array(values, dtype=np.float64) for name, values in power_w.items()}
    fold(state, [Configure(of or block()), PowerSamples(times, columns)])
    return state


def publish_station(view: LiveView, blocks: int, enclosures: int) -> None:
    """Publish ``blocks`` power blocks of ``enclosures`` each, a quarter of a day folded."""
    for number in range(blocks):
        of = block(f"INV-{number + 1:03}", enclosures)
        power = {"DC1": [250e3] * 24, "DC2": [-100e3 - number] * 24}
        view.publish(of.key, folded(power, of=of))


def publish_battery(view: LiveView) -> None:
    """Publish a battery system."""
    state = folded_battery()
    view.publish("north/battery/bess1", state)


def folded_battery() -> BatteryState:
    """A battery system at rest of two packs; one has a cell above its highest voltage."""
    rules = BatteryRules(rest_ms=60_000)
    state, battery = (
        BatteryState(),
        Battery("north", "bess1", "UTC", {"1": 5, "2": 5}, rules, energy_wh=2e5),
    )
    times = MIDNIGHT_MS + 60_000 * np.arange(4, dtype=np.int64)
    volts, warmth = np.full((4, 5), 3.3), np.full((4, 5), 25.0)
    high = volts + np.array([0.0, 0.0, 0.4, 0.0, -0.1])
    signals = {
        "soc_ratio": np.array([0.4, 0.41, 0.42, 0.43]),
        "soh_ratio": np.full(4, 0.97),
        "current_a": np.zeros(4),
        "cell_spread_v": np.full(4, 0.02),
    }
    messages = [
        battery,
        SystemSamples(times, signals),
        CellSamples("1", times, volts, warmth),
        CellSamples("2", times, high, warmth + 0.5),
        EndOfData(MIDNIGHT_MS + 240_000),
    ]
    fold_battery(state, messages)
    return state


def publish_meter(view: LiveView) -> None:
    """Publish a meter."""
    view.publish("north/meter/m1", folded_meter())


def folded_meter() -> MeterState:
    """A meter that exports 1 MW for a day, and counts a tenth more; its import is not counted."""
    state, point = MeterState(), MeterPoint("north", "m1", "UTC")
    times = MIDNIGHT_MS + QUARTER_MS * np.arange(101, dtype=np.int64)
    counted = 1.1e6 / 4 * np.arange(times.size)
    signals = {"power_w": np.full(times.size, 1e6), "export_wh": counted}
    fold_meter(state, [point, MeterSamples(times, signals)])
    return state


def busy(metrics: PipelineMetrics, partitions: int, event_time_ms: int = MIDNIGHT_MS) -> None:
    """Report one recovery, one chunk and a lag for each partition."""
    for partition in range(partitions):
        metrics.recovered(partition, keys=7)
        metrics.recovery(0.5)
        metrics.chunk_done(
            partition,
            records=500,
            messages=40,
            samples=1000,
            late=2,
            refused={"t is empty": 1},
            rate_limited=1,
            fold_seconds=0.02,
            commit_seconds=0.004,
            flush_seconds=0.002,
            event_time_ms=event_time_ms,
        )
        metrics.partition_lag(partition, 123)
    metrics.kafka_up(True)
    metrics.redis_up(True)
