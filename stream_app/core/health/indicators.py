"""The indicators of a day: each is told, or the reason why it cannot be (evaluability)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from stream_app.core.battery import Battery
from stream_app.core.daily import Reading, Why
from stream_app.core.energy import W_MS_PER_KWH
from stream_app.core.health import columns, efficiency, soh
from stream_app.core.health.columns import ACTIVE_MS, CHARGE_COLUMNS, Dwell
from stream_app.core.health.cycles import full_cycles
from stream_app.core.health.ledger import PPM, UC_PER_AH
from stream_app.core.health.rules import HealthRules
from stream_app.core.health.state import DayFacts, DayHistory, Past, Peaks
from stream_app.core.slots import IN, KNOWN, OUT

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LEAST_COVERAGE = 0.98
"""Part of a time in which a power must be known for an efficiency of it."""
LEAST_CYCLED = 0.05
"""Part of the usable energy that must be charged and discharged for an efficiency."""
ROLLING_DAYS, LEAST_ROLLING_DAYS = 30, 7
TREND_DAYS, LEAST_TREND_DAYS, LEAST_TREND_VALUES = 365, 30, 8
KELVIN = 273.15


@dataclass(frozen=True)
class Facts:
    """All that the indicators of a day are told from.

    ``past`` counts the day already.
    """

    battery: Battery
    rules: HealthRules
    date: str
    day: DayFacts
    sums: list[int]
    peaks: Peaks
    past: Past

    @property
    def rated(self) -> int:
        """Rated capacity [uC], 0 if not known."""
        return rated_charge(self.battery)

    @property
    def charge(self) -> list[int]:
        """Integral of the current."""
        return self.sums[CHARGE_COLUMNS]


def rated_charge(battery: Battery) -> int:
    """Rated capacity [uC], 0 if not known."""
    return round((battery.capacity_ah or 0.0) * UC_PER_AH)


def _soc(f: Facts) -> Reading:
    return (f.day.soc[1] / PPM,) if f.day.soc else "missing_signal"


def _audit(f: Facts) -> Reading:
    if not f.day.soc or not f.charge[KNOWN]:
        return "missing_signal"
    if not f.rated:
        return "missing_rating"
    if not f.day.audit:
        return "gap" if f.day.anchored else "no_anchor"
    time, shown, ledger, bound, anchor = f.day.audit
    return ledger / PPM, (shown - ledger) / PPM, bound / PPM, (time - anchor) / 1000


def _soh_bms(f: Facts) -> Reading:
    return "missing_signal" if f.day.soh is None else (f.day.soh / PPM,)


def _imbalance(f: Facts) -> Reading:
    mean = _mean(f.sums, columns.SPREAD_DWELL)
    if mean is not None:
        return (mean / PPM,)
    return "no_rest" if f.day.spread and f.charge[KNOWN] else "missing_signal"


def _soh_estimate(f: Facts) -> Reading:
    imbalance = _imbalance(f)
    if f.battery.commissioned is None:
        return "missing_date"
    if isinstance(imbalance, str):
        return imbalance
    cycles = full_cycles(f.day.totals.path)
    years = _age_days(f) / soh.DAYS_A_YEAR
    return (soh.estimate(years, cycles, imbalance[0] * 1000).percent / 100,)


def _age_days(f: Facts) -> float:
    assert f.battery.commissioned is not None
    age = date.fromisoformat(f.date) - date.fromisoformat(f.battery.commissioned)
    return float(max(age.days, 0))


def _soh_ledger(f: Facts) -> Reading:
    if not f.rated:
        return "missing_rating"
    found = f.day.capacity
    if found is None:
        return "no_anchor" if f.charge[KNOWN] else "missing_signal"
    return found.charge / f.rated, found.error / f.rated, found.charge / UC_PER_AH


def _soh_expected(f: Facts) -> Reading:
    if f.battery.chemistry != "lfp":
        return "other_chemistry"
    if f.battery.commissioned is None:
        return "missing_date"
    temperature = _mean(f.past.lifetime, columns.TEMPERATURE_DWELL)
    level = _mean(f.past.lifetime, columns.SOC_DWELL)
    if temperature is None or level is None:
        return "missing_signal"
    depths, squares = f.day.totals.depths, f.day.totals.squares
    moved, active = sum(f.past.lifetime[CHARGE_COLUMNS][OUT : IN + 1]), f.past.lifetime[ACTIVE_MS]
    if not f.rated:
        return "missing_rating"
    if not depths or not active:
        return "too_little"
    rate = moved / f.rated / (active / HOUR_MS)
    use = soh.Use(temperature / 1000 + KELVIN, level / PPM, squares / depths / PPM, rate)
    return (soh.expected_lfp(_age_days(f), full_cycles(f.day.totals.path), use),)


def _rate_bms(f: Facts) -> Reading:
    if f.day.soh is None:
        return "missing_signal"
    return _trend(f.past.soh)


def _rate_ledger(f: Facts) -> Reading:
    told = _soh_ledger(f)
    if isinstance(told, str):
        return told
    return _trend([(time, charge * PPM // f.rated) for time, charge in f.past.capacities])


def _trend(points: list[tuple[int, int]]) -> Reading:
    if len(points) < LEAST_TREND_VALUES:
        return "too_short"
    if points[-1][0] - points[0][0] < LEAST_TREND_DAYS * DAY_MS:
        return "too_short"
    days, values = np.array(points, dtype=np.float64).T
    found = soh.trend(days / DAY_MS, values / PPM)
    return found.a_month, found.low, found.high


def _cycles(f: Facts) -> Reading:
    if not f.day.soc:
        return "missing_signal"
    if f.battery.rules.interval_ms > f.rules.resolution_ms:
        return "sample_rate"
    before, now = f.day.before, f.day.totals
    of_day = full_cycles(now.path - before.path)
    return full_cycles(now.path), of_day, float(now.closed - before.closed)


def _closed_cycles(f: Facts) -> Reading:
    told = _cycles(f)
    if isinstance(told, str):
        return told
    before, now = f.day.before, f.day.totals
    closed = now.closed - before.closed
    if not closed:
        return "too_little"
    depth, middle = now.depths - before.depths, (now.middles - before.middles) / 2
    return depth / closed / PPM, middle / closed / PPM


def _moved(f: Facts) -> Reading:
    known, out, into, _ = f.charge
    return (out / UC_PER_AH, into / UC_PER_AH) if known else "missing_signal"


def _peaks(f: Facts) -> Reading:
    if not f.charge[KNOWN]:
        return "missing_signal"
    if not f.rated:
        return "missing_rating"
    if f.battery.rules.interval_ms > f.rules.resolution_ms:
        return "sample_rate"
    quarter = f.rated / 4
    peaks = f.peaks
    return peaks.out / quarter, peaks.into / quarter, peaks.day / (2 * f.rated)


def _energy(name: str) -> "Callable[[Facts], Reading]":
    def told(f: Facts) -> Reading:
        known, out, into, _ = _energy_of(f.past.history[-1], name)
        if not known:
            return "missing_signal"
        return out / W_MS_PER_KWH, into / W_MS_PER_KWH

    return told


def _energy_of(day: DayHistory, name: str) -> list[int]:
    return day.dc if name == "dc" else day.ac


def _efficiency(name: str, days: int) -> "Callable[[Facts], Reading]":
    def told(f: Facts) -> Reading:
        if not _energy_of(f.past.history[-1], name)[KNOWN]:
            return "missing_signal"
        part = [each for each in f.past.history if each.start > f.day.start - days * DAY_MS]
        # Data that began, or began again, in the midst of a day is judged from the next day on.
        known = [_covered([each], name) for each in part]
        part = part[known.index(True) if True in known else 0 :]
        if days > 1 and len(part) < LEAST_ROLLING_DAYS:
            return "too_short"
        if not _covered(part, name):
            return "gap"
        energy = [_energy_of(each, name) for each in part]
        out, into = (sum(each[row] for each in energy) for row in (OUT, IN))
        return _told_efficiency(f, part, out, into)

    return told


def _covered(part: list[DayHistory], name: str) -> bool:
    known = sum(_energy_of(each, name)[KNOWN] for each in part)
    return known >= LEAST_COVERAGE * (part[-1].end - part[0].start)


def _told_efficiency(f: Facts, part: list[DayHistory], out: int, into: int) -> Reading:
    usable = (f.battery.energy_wh or 0.0) * HOUR_MS
    first, last = part[0].soc, part[-1].soc
    if not usable:
        return "missing_rating"
    if first is None or last is None:
        return "missing_signal"
    if min(out, into) < LEAST_CYCLED * usable:
        return "too_little"
    stored = (last[1] - first[0]) / PPM * usable
    return efficiency.naive(into, out), efficiency.corrected(into, out, stored)


def _temperatures(f: Facts) -> Reading:
    found = _held(f.sums, columns.WARMEST_DWELL)
    edges = columns.WARMEST_DWELL.edges(1000)
    if not any(found):
        return "missing_signal"
    above = (sum(found[edges.index(limit) + 1 :]) / 1000 for limit in (35.0, 45.0))
    return tuple(above)


def _mean_temperature(f: Facts) -> Reading:
    mean = _mean(f.sums, columns.TEMPERATURE_DWELL)
    return "missing_signal" if mean is None else (mean / 1000,)


def _soc_ends(f: Facts) -> Reading:
    found = _held(f.sums, columns.SOC_DWELL)
    if not any(found):
        return "missing_signal"
    return sum(found[:2]) / 1000, sum(found[-2:]) / 1000


def _coverage(f: Facts) -> Reading:
    return (f.charge[KNOWN] / (f.day.end - f.day.start),)


def _held(sums: list[int], dwell: Dwell) -> list[int]:
    return sums[dwell.columns][:-1]


def _mean(sums: list[int], dwell: Dwell) -> float | None:
    known = sum(_held(sums, dwell))
    return sums[dwell.columns][-1] / known if known else None


_AUDIT = ("soc_ledger_ratio", "soc_drift_ratio", "soc_drift_bound_ratio", "anchor_age_s")
_TREND = ("ratio_per_month", "ratio_per_month_low", "ratio_per_month_high")

GROUPS: tuple[tuple[tuple[str, ...], Callable[[Facts], Reading]], ...] = (
    (("current_coverage_ratio",), _coverage),
    (("soc_ratio",), _soc),
    (_AUDIT, _audit),
    (("soh_bms_ratio",), _soh_bms),
    (("soh_estimate_ratio",), _soh_estimate),
    (("soh_ledger_ratio", "soh_ledger_error_ratio", "capacity_ah"), _soh_ledger),
    (("imbalance_v",), _imbalance),
    (("soh_expected_ratio",), _soh_expected),
    (tuple(f"soh_bms_{each}" for each in _TREND), _rate_bms),
    (tuple(f"soh_ledger_{each}" for each in _TREND), _rate_ledger),
    (("efc", "efc_day", "cycles_closed"), _cycles),
    (("cycle_depth_ratio", "cycle_soc_ratio"), _closed_cycles),
    (("discharged_ah", "charged_ah"), _moved),
    (("c_rate_discharge_max", "c_rate_charge_max", "efc_24h_max"), _peaks),
    (("dc_discharged_kwh", "dc_charged_kwh"), _energy("dc")),
    (("ac_discharged_kwh", "ac_charged_kwh"), _energy("ac")),
    (("rte_dc_ratio", "rte_dc_corrected_ratio"), _efficiency("dc", 1)),
    (("rte_ac_ratio", "rte_ac_corrected_ratio"), _efficiency("ac", 1)),
    (("rte_dc_30d_ratio", "rte_dc_corrected_30d_ratio"), _efficiency("dc", ROLLING_DAYS)),
    (("rte_ac_30d_ratio", "rte_ac_corrected_30d_ratio"), _efficiency("ac", ROLLING_DAYS)),
    (("above_35c_s", "above_45c_s"), _temperatures),
    (("cell_temperature_mean_c",), _mean_temperature),
    (("soc_below_10_s", "soc_above_90_s"), _soc_ends),
)
INDICATORS = tuple(name for names, _ in GROUPS for name in names)
"""Names of all indicators; the unit is at the end, or it is a number."""


def indicators(facts: Facts) -> tuple[dict[str, float], dict[str, Why]]:
    """What can be told of a day, and why the rest cannot."""
    values: dict[str, float] = {}
    missing: dict[str, Why] = {}
    for names, tell in GROUPS:
        told = tell(facts)
        if isinstance(told, str):
            missing.update(dict.fromkeys(names, told))
        else:
            values.update(zip(names, told, strict=True))
    return values, missing
