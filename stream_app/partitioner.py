"""Where Kafka's default partitioner puts a telemetry key."""

from aiokafka.partitioner import murmur2


def partition_of(key: str, partitions: int) -> int:
    """Partition of a telemetry key: murmur2, as Java and aiokafka have it by default."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions
