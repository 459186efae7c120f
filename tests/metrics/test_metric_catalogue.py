"""Rules that every metric of the catalogue keeps."""

import re

import pytest

from stream_app.metrics.archive import ARCHIVE
from stream_app.metrics.catalogue import CATALOGUE, PIPELINE
from stream_app.metrics.metric import Metric

EVERY = (*CATALOGUE, *ARCHIVE)

UNIT_SUFFIX = {"W": "watts", "J": "joules", "s": "seconds", "ratio": "ratio"}


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)
def test_names_carry_the_base_unit_and_counters_end_in_total(metric: Metric) -> None:
    stem = metric.name.removesuffix("_total")

    assert re.fullmatch(r"bess_[a-z]+(_[a-z]+)+", metric.name)
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert stem.endswith(UNIT_SUFFIX.get(metric.unit, ""))
    assert metric.help.endswith(".")
    assert bool(metric.buckets) == (metric.kind == "histogram")


def test_names_are_unique() -> None:
    assert len({metric.name for metric in EVERY}) == len(EVERY)


def test_pipeline_metrics_share_a_prefix() -> None:
    assert [m.name for m in PIPELINE if not m.name.startswith("bess_pipeline_")] == [
        "bess_build_info"
    ]
