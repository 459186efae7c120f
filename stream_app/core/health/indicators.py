"""The indicators of a day: each is told, or the reason why it cannot be (evaluability)."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import numpy as np

from stream_app.core.calendar import DAY_MS, HOUR_MS
from stream_app.core.charge.ledger import PPM, UC_PER_AH
from stream_app.core.daily import Reading, Why
from stream_app.core.health import columns, soh
from stream_app.core.health.columns import (
    ACTIVE_MS,
    CHARGE_COLUMNS,
    CURRENT,
    HIGHEST,
    LOWEST,
    MEDIAN_HIGHEST,
    MEDIAN_LOWEST,
    PACK_SPREAD,
    SOC,
    SOH,
    SPREAD,
    TEMPERATURE,
    WARMEST,
)
from stream_app.core.health.cycles import full_cycles
from stream_app.core.health.energies import ROLLING_DAYS, corrected, energy, naive
from stream_app.core.health.facts import Facts, absent, held, mean
from stream_app.core.slots import IN, KNOWN, OUT

TREND_DAYS, LEAST_TREND_DAYS, LEAST_TREND_VALUES = 365, 30, 8
MOST_UNSEEN_DAYS = 31
"""Time from commissioning to the first row in which cycles may be left out."""
KELVIN = 273.15


def _soc(f: Facts) -> Reading:
    return (f.day.soc[3] / PPM,) if f.day.soc else absent(f, SOC)


def _audit(f: Facts) -> Reading:
    if not f.day.soc or not f.charge[KNOWN]:
        return absent(f, SOC, CURRENT)
    if not f.rated:
        return "missing_rating"
    if not f.day.audit:
        return "gap" if f.day.anchored else _without_anchor(f)
    time, shown, ledger, bound, anchor = f.day.audit
    return ledger / PPM, (shown - ledger) / PPM, bound / PPM, (time - anchor) / 1000


def _without_anchor(f: Facts) -> Why:
    if f.rules.curve is None:
        return "other_chemistry"
    ends = (HIGHEST, LOWEST), (MEDIAN_HIGHEST, MEDIAN_LOWEST)
    return "no_anchor" if any(f.came(a) and f.came(b) for a, b in ends) else "no_voltage"


def _soh_bms(f: Facts) -> Reading:
    return absent(f, SOH) if f.day.soh is None else (f.day.soh / PPM,)


def _imbalance(f: Facts) -> Reading:
    spread = mean(f.sums, columns.SPREAD_DWELL)
    if spread is not None:
        # Which rests were on the flat part of the curve is what the SOC said.
        return f.day.wrong or (spread / PPM,)
    if (f.came(SPREAD) or f.came(PACK_SPREAD)) and f.charge[KNOWN]:
        return "no_flat_rest" if f.day.rested else "no_rest"
    return absent(f, SPREAD, HIGHEST, LOWEST, CURRENT)


def _soh_estimate(f: Facts) -> Reading:
    imbalance = _imbalance(f)
    if f.battery.commissioned is None:
        return "missing_date"
    if isinstance(imbalance, str):
        return imbalance
    cycles = _cycles_of_life(f)
    if isinstance(cycles, str):
        return cycles
    years = _age_days(f) / soh.DAYS_A_YEAR
    return (soh.estimate(years, cycles, imbalance[0] * 1000).percent / 100,)


def _age_days(f: Facts) -> float:
    assert f.battery.commissioned is not None
    age = date.fromisoformat(f.date) - date.fromisoformat(f.battery.commissioned)
    return float(max(age.days, 0))


def _cycles_of_life(f: Facts) -> float | Why:
    """Full cycles since commissioning: those of the data, and what is known of before."""
    assert f.battery.commissioned is not None
    assert f.past.began is not None
    counted = full_cycles(f.day.totals.path)
    if f.battery.efc_before is not None:
        return f.battery.efc_before + counted
    began = datetime.fromtimestamp(f.past.began / 1000, UTC).date()
    before = began - date.fromisoformat(f.battery.commissioned)
    return counted if before.days <= MOST_UNSEEN_DAYS else "missing_cycles"


def _soh_ledger(f: Facts) -> Reading:
    if not f.rated:
        return "missing_rating"
    found = f.day.capacity
    if found is None:
        return _without_anchor(f) if f.charge[KNOWN] else absent(f, CURRENT)
    return found.charge / f.rated, found.error / f.rated, found.charge / UC_PER_AH


def _soh_expected(f: Facts) -> Reading:
    if f.battery.chemistry != "lfp":
        return "other_chemistry"
    if f.battery.commissioned is None:
        return "missing_date"
    cycles, use = _cycles_of_life(f), _use(f)
    if isinstance(cycles, str):
        return cycles
    return use if isinstance(use, str) else (soh.expected_lfp(_age_days(f), cycles, use),)


def _use(f: Facts) -> soh.Use | Why:
    """How the battery was used in all complete days."""
    temperature = mean(f.past.lifetime, columns.TEMPERATURE_DWELL)
    level = mean(f.past.lifetime, columns.SOC_DWELL)
    if temperature is None or level is None:
        return absent(f, TEMPERATURE, SOC)
    depths, squares = f.day.totals.depths, f.day.totals.squares
    moved, active = sum(f.past.lifetime[CHARGE_COLUMNS][OUT : IN + 1]), f.past.lifetime[ACTIVE_MS]
    if not f.rated:
        return "missing_rating"
    if not depths or not active:
        return "too_little"
    rate = moved / f.rated / (active / HOUR_MS)
    return soh.Use(temperature / 1000 + KELVIN, level / PPM, squares / depths / PPM, rate)


def _rate_bms(f: Facts) -> Reading:
    if f.day.soh is None:
        return absent(f, SOH)
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
    values = values / PPM
    found = soh.trend(days / DAY_MS, values, soh.resolution(values))
    return found.a_month, found.low, found.high


def _cycles(f: Facts) -> Reading:
    if not f.day.soc:
        return absent(f, SOC)
    if f.battery.rules.interval_ms > f.rules.resolution_ms:
        return "sample_rate"
    if f.day.wrong == "soc_jump":
        return "soc_jump"
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
    return (out / UC_PER_AH, into / UC_PER_AH) if known else absent(f, CURRENT)


def _peaks(f: Facts) -> Reading:
    if not f.charge[KNOWN]:
        return absent(f, CURRENT)
    if not f.rated:
        return "missing_rating"
    if f.battery.rules.interval_ms > f.rules.resolution_ms:
        return "sample_rate"
    quarter = f.rated / 4
    peaks = f.peaks
    return peaks.out / quarter, peaks.into / quarter, peaks.day / (2 * f.rated)


def _temperatures(f: Facts) -> Reading:
    found = held(f.sums, columns.WARMEST_DWELL)
    edges = columns.WARMEST_DWELL.edges(1000)
    if not any(found):
        return absent(f, WARMEST)
    above = (sum(found[edges.index(limit) + 1 :]) / 1000 for limit in (35.0, 45.0))
    return tuple(above)


def _mean_temperature(f: Facts) -> Reading:
    warmth = mean(f.sums, columns.TEMPERATURE_DWELL)
    return absent(f, TEMPERATURE) if warmth is None else (warmth / 1000,)


def _soc_ends(f: Facts) -> Reading:
    found = held(f.sums, columns.SOC_DWELL)
    if not any(found):
        return absent(f, SOC)
    return sum(found[:2]) / 1000, sum(found[-2:]) / 1000


def _coverage(f: Facts) -> Reading:
    day = f.past.history[-1]
    known = f.charge[KNOWN], day.dc[KNOWN], day.ac[KNOWN], sum(held(f.sums, columns.SOC_DWELL))
    return tuple(each / (f.day.end - f.day.start) for each in known)


def _refused(f: Facts) -> Reading:
    day = f.day
    return float(sum(day.refused.values())), float(day.doubted), float(day.ignored)


_AUDIT = ("soc_ledger_ratio", "soc_drift_ratio", "soc_drift_bound_ratio", "anchor_age_s")
_TREND = ("ratio_per_month", "ratio_per_month_low", "ratio_per_month_high")

GROUPS: tuple[tuple[tuple[str, ...], Callable[[Facts], Reading]], ...] = (
    (tuple(f"{each}_coverage_ratio" for each in ("current", "dc", "ac", "soc")), _coverage),
    (("refused_values", "soc_doubted_values", "ignored_values"), _refused),
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
    (("dc_discharged_kwh", "dc_charged_kwh", "dc_bound_kwh"), energy("dc")),
    (("ac_discharged_kwh", "ac_charged_kwh", "ac_bound_kwh"), energy("ac")),
    (("rte_dc_ratio",), naive("dc", 1)),
    (("rte_dc_corrected_ratio",), corrected("dc", 1)),
    (("rte_ac_ratio",), naive("ac", 1)),
    (("rte_ac_corrected_ratio",), corrected("ac", 1)),
    (("rte_dc_30d_ratio", "rte_dc_30d_days"), naive("dc", ROLLING_DAYS)),
    (("rte_dc_corrected_30d_ratio", "rte_dc_corrected_30d_days"), corrected("dc", ROLLING_DAYS)),
    (("rte_ac_30d_ratio", "rte_ac_30d_days"), naive("ac", ROLLING_DAYS)),
    (("rte_ac_corrected_30d_ratio", "rte_ac_corrected_30d_days"), corrected("ac", ROLLING_DAYS)),
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
