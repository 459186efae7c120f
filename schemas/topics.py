"""Topics of a deployment: name, how records are keyed and kept."""

from dataclasses import dataclass
from typing import Literal

LARGEST_RECORD = 17 << 20
"""Bytes of a record batch that the topics take; a worker's producers stay below it."""


@dataclass(frozen=True)
class Topic:
    """One topic of the contract.

    Attributes
    ----------
    suffix
        Name after the deployment's prefix.
    keyed_by
        Meaning of the record key.
    cleanup
        ``compact`` keeps the newest record of each key, ``delete`` keeps all for the retention.
    co_partitioned
        Has as many partitions as the telemetry topic: what a partition's records lead to goes to
        the partition of the same number.
    purpose
        One line for people.
    """

    suffix: str
    keyed_by: str
    cleanup: Literal["compact", "delete"]
    co_partitioned: bool
    purpose: str

    def name(self, prefix: str) -> str:
        return f"{prefix}.{self.suffix}"


TELEMETRY = Topic(
    "telemetry.v1",
    "site/block, site/battery/system or site/meter/name",
    "delete",
    True,
    "power, batteries, meters, their topology, heartbeats, end of data; in order",
)
TOPOLOGY = Topic("topology.v1", "site/block", "compact", False, "newest topology of each block")
ROLLUPS = {
    name: Topic(f"rollup.{name}.v1", "site/block", "delete", True, f"closed {name} windows")
    for name in ("5min", "15min", "1h")
}
DAILY = Topic(
    "energy.daily.v1",
    "site/enclosure/date",
    "compact",
    True,
    "energy of an enclosure and local day",
)
CELLS = {
    name: Topic(
        f"cells.{name}.v1", "site/battery/system/pack", "delete", True, f"cells in {name} windows"
    )
    for name in ("5min", "15min", "1h", "1d")
}
SIGNALS = {
    name: Topic(
        f"signals.{name}.v1",
        "site/battery/system",
        "delete",
        True,
        f"signals of a battery system in {name} windows",
    )
    for name in ("5min", "15min", "1h", "1d")
}
CRITICAL_CELLS = Topic(
    "cells.critical.v1",
    "site/battery/system/pack/date",
    "compact",
    True,
    "critical cells of a pack and local day",
)
HEALTH_DAILY = Topic(
    "health.daily.v1",
    "site/battery/system/date",
    "compact",
    True,
    "health of a battery system and local day",
)
METER_DAILY = Topic(
    "meter.daily.v1", "site/meter/name/date", "compact", True, "energy of a meter and local day"
)
FINDINGS = Topic(
    "finding.v1",
    "key of the telemetry, and pack",
    "delete",
    True,
    "conditions that have ended, with span",
)
ALARMS = Topic(
    "alarm.events.v1",
    "key of the telemetry, and pack",
    "delete",
    True,
    "raises and clears, CloudEvents",
)
DEAD_LETTERS = Topic("dead-letter.v1", "key of the record", "delete", True, "refused records")
TOO_LATE = Topic(
    "too-late.v1",
    "key of the telemetry, and pack",
    "delete",
    True,
    "samples after their time was settled",
)
PROGRESS = Topic(
    "replay.progress.v1", "replay id", "compact", False, "how far each replay has come"
)
STATE = Topic(
    "state.energy.v1", "key of the telemetry, and part", "compact", True, "changelog of the state"
)

TOPICS: tuple[Topic, ...] = (
    TELEMETRY,
    TOPOLOGY,
    *ROLLUPS.values(),
    DAILY,
    *CELLS.values(),
    *SIGNALS.values(),
    CRITICAL_CELLS,
    HEALTH_DAILY,
    METER_DAILY,
    FINDINGS,
    ALARMS,
    DEAD_LETTERS,
    TOO_LATE,
    PROGRESS,
    STATE,
)


def settings(topic: Topic) -> dict[str, str]:
    """Broker settings of a topic.

    Telemetry and what follows from it is kept without a limit in time: a replayed record carries an
    old time, and Kafka deletes records by their time.
    """
    size = {"max.message.bytes": str(LARGEST_RECORD)}
    if topic.cleanup == "compact":
        return {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000", **size}
    return {"cleanup.policy": "delete", "retention.ms": "-1", **size}
