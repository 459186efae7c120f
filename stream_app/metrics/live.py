"""The newest values of what is watched: agents publish, a scrape of Prometheus reads."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from threading import Lock

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from stream_app.core.battery_system import BatteryState
from stream_app.core.findings import RULES
from stream_app.core.integrator import DAY, KNOWN_MS, InputState
from stream_app.core.meters import MeterState
from stream_app.core.stale import Expected
from stream_app.core.topology import PowerBlock
from stream_app.metrics.batteries import BatteryReading, battery_reading, battery_samples
from stream_app.metrics.catalogue import (
    ACTIVE_INPUTS,
    CHARGED,
    COVERAGE,
    DC_POWER,
    DISCHARGED,
    LAST_SAMPLE,
    LIVE,
)
from stream_app.metrics.meters import MeterReading, meter_reading, meter_samples
from stream_app.metrics.metric import Metric
from stream_app.pipeline import BlockState

W_MS_PER_JOULE = 1000


@dataclass(frozen=True)
class EnclosureReading:
    """What is told of one enclosure; None where there is no sample yet.

    Attributes
    ----------
    power_w
        Newest power, + = discharge [W].
    discharged_j, charged_j
        Energy since the integrator began [J].
    coverage
        Known part of the local day so far, 0 to 1.
    """

    enclosure: str
    power_w: float | None
    discharged_j: float
    charged_j: float
    coverage: float | None


@dataclass(frozen=True)
class BlockReading:
    """What is told of one power block: a snapshot, never changed.

    Attributes
    ----------
    last_sample_s
        Event time of the newest sample of any input, Unix seconds.
    active
        The rules that stand raised, once for each input.
    expects
        Samples that are to come, see ``BlockState.expects``.
    """

    site: str
    block: str
    last_sample_s: float | None
    active: tuple[str, ...]
    enclosures: tuple[EnclosureReading, ...]
    expects: Expected | None


class LiveView(Collector):
    """Readings by telemetry key; agents write, the scrape thread reads.

    Parameters
    ----------
    registry
        Where it registers itself.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lock = Lock()
        self._readings: dict[str, BlockReading | BatteryReading | MeterReading] = {}
        registry.register(self)

    def publish(self, key: str, state: BlockState | BatteryState | MeterState) -> None:
        """Take the values of ``state``, which may change afterwards."""
        found: BlockReading | BatteryReading | MeterReading | None
        if isinstance(state, BlockState):
            found = reading(state)
        elif isinstance(state, BatteryState):
            found = battery_reading(state)
        else:
            found = meter_reading(state)
        with self._lock:
            if found is not None:
                self._readings[key] = found

    def forget(self, keys: Iterable[str]) -> None:
        """Tell no more of ``keys``: another worker has them now."""
        with self._lock:
            for key in keys:
                self._readings.pop(key, None)

    def expectations(self) -> dict[str, Expected]:
        """What is expected of each block and battery that expects something, by key."""
        with self._lock:
            readings = list(self._readings.items())
        return {
            key: each.expects
            for key, each in readings
            if not isinstance(each, MeterReading) and each.expects
        }

    def describe(self) -> Iterable[Family]:
        """Name the families, for the check at registration."""
        return [_family(metric) for metric in LIVE]

    def collect(self) -> Iterator[Family]:
        """Give a sample for each enclosure, block or rule."""
        with self._lock:
            every = list(self._readings.values())
        readings = [each for each in every if isinstance(each, BlockReading)]
        yield from _enclosure_families(readings)
        yield _last_samples(readings)
        yield _active_inputs(readings)
        batteries = [each for each in every if isinstance(each, BatteryReading)]
        meters = [each for each in every if isinstance(each, MeterReading)]
        for metric, samples in chain(battery_samples(batteries), meter_samples(meters)):
            family = _family(metric)
            family.samples = samples
            yield family


def reading(state: BlockState) -> BlockReading | None:
    """Extract what Prometheus sees of a block; None while its topology is unknown."""
    block = state.block
    if block is None:
        return None
    inputs = [(name, state.inputs[name]) for name in block.inputs]
    newest = [each.latest[0] for _, each in inputs if each.latest is not None]
    return BlockReading(
        site=block.site,
        block=block.block,
        last_sample_s=max(newest) / 1000 if newest else None,
        active=tuple(rule for _, each in inputs for rule in each.rules.active),
        enclosures=tuple(e for name, each in inputs for e in _enclosures(block, name, each)),
        expects=state.expects,
    )


def _enclosures(block: PowerBlock, name: str, state: InputState) -> Iterator[EnclosureReading]:
    coverage = coverage_of_day(state)
    for group, (share, enclosures) in enumerate(state.allocation.groups()):
        power = state.latest[1] * share if state.latest is not None else None
        out, into = state.energy[group] if state.energy else (0, 0)
        for enclosure in (each for each in enclosures if each in block.inputs[name]):
            yield EnclosureReading(
                enclosure, power, out / W_MS_PER_JOULE, into / W_MS_PER_JOULE, coverage
            )


def coverage_of_day(state: InputState) -> float | None:
    """Known part of the open local day up to the newest folded sample; None before the first.

    At the first instant of a day nothing can be missing yet: 1.
    """
    day = state.windows[DAY].open if DAY in state.windows else None
    if day is None or state.last is None:
        return None
    elapsed_ms = state.last[0] - day.start
    return day.sums[KNOWN_MS] / elapsed_ms if elapsed_ms else 1.0


_VALUES: tuple[tuple[Metric, Callable[[EnclosureReading], float | None]], ...] = (
    (DC_POWER, lambda each: each.power_w),
    (DISCHARGED, lambda each: each.discharged_j),
    (CHARGED, lambda each: each.charged_j),
    (COVERAGE, lambda each: each.coverage),
)


def _enclosure_families(readings: list[BlockReading]) -> Iterator[Family]:
    labelled = [
        ({"site": each.site, "block": each.block, "enclosure": e.enclosure}, e)
        for each in readings
        for e in each.enclosures
    ]
    for metric, value_of in _VALUES:
        values = ((labels, value_of(each)) for labels, each in labelled)
        yield _family(metric, values)


def _last_samples(readings: list[BlockReading]) -> Family:
    values = (({"site": r.site, "block": r.block}, r.last_sample_s) for r in readings)
    return _family(LAST_SAMPLE, values)


def _active_inputs(readings: list[BlockReading]) -> Family:
    active = Counter((each.site, rule) for each in readings for rule in each.active)
    sites = sorted({each.site for each in readings})
    values = (
        ({"site": site, "rule": rule}, active[site, rule]) for site in sites for rule in RULES
    )
    return _family(ACTIVE_INPUTS, values)


def _family(metric: Metric, values: Iterable[tuple[dict[str, str], float | None]] = ()) -> Family:
    family = Family(metric.name.removesuffix("_total"), metric.help, metric.kind)
    family.samples = [Sample(metric.name, labels, v) for labels, v in values if v is not None]
    return family
