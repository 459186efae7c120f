"""The pages for people name everything that exists, as it is."""

from pathlib import Path

import pytest

import schemas
from schemas.asyncapi import CARRIES
from schemas.topics import TOPICS, Topic
from stream_app.metrics.archive import ARCHIVE
from stream_app.metrics.catalogue import CATALOGUE
from stream_app.metrics.metric import Metric
from stream_app.metrics.reasons import REASONS

METRICS = (*CATALOGUE, *ARCHIVE)
DOCS = Path(schemas.__file__).parents[1] / "docs"


def rows(page: str) -> dict[str, list[str]]:
    """Cells of the table lines of a page, by the name in the first cell."""
    lines = [line for line in (DOCS / page).read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first.strip("`"): rest for first, *rest in cells}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.suffix)
def test_each_topic_has_its_line(topic: Topic) -> None:
    records, key, kept, purpose = rows("topics.md")[topic.name("bess")]

    kinds = [model.__name__ for model in CARRIES.get(topic, ())]
    assert records == (", ".join(f"`{kind}`" for kind in kinds) or "bytes")
    assert kept == {"compact": "compacted", "delete": "all"}[topic.cleanup]
    assert (key, purpose) == (topic.keyed_by, topic.purpose)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_each_metric_has_its_line(metric: Metric) -> None:
    kind, labels, meaning = rows("metrics.md")[metric.name]

    assert kind == metric.kind
    assert labels == (", ".join(f"`{label}`" for label in metric.labels) or "–")  # noqa: RUF001
    assert meaning.startswith(metric.help)
    for bound in metric.buckets:
        assert f"{bound:g}" in meaning


def test_pages_name_nothing_that_is_gone() -> None:
    assert rows("topics.md").keys() == {topic.name("bess") for topic in TOPICS}
    assert rows("metrics.md").keys() == {metric.name for metric in METRICS}


def test_every_class_of_dead_letters_has_a_usual_cause() -> None:
    text = (DOCS / "runbooks" / "BessDeadLetters.md").read_text()

    assert [reason for reason in REASONS if f"`{reason}`" not in text] == []


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.name)
def test_readers_with_kcat_ask_for_committed_records_and_writers_put_keys_where_java_does(
    path: Path,
) -> None:
    lines = [line for line in path.read_text().splitlines() if "kcat -b" in line]
    readers, writers = ([line for line in lines if f" {mode} " in line] for mode in ("-C", "-P"))

    assert [line for line in readers if "read_committed" not in line] == []
    assert [line for line in writers if "partitioner=murmur2_random" not in line] == []
