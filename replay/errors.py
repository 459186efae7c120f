"""What can be wrong with a replay. Each message says where, and what to do about it."""


class ReplayError(ValueError):
    """Anything in configuration, export or broker that a person can put right."""


class ConfigError(ReplayError):
    """The configuration file cannot be used."""


class TopologyError(ReplayError):
    """Columns, inverters and enclosures do not fit together."""


class ExportError(ReplayError):
    """An export file cannot be read."""


class PublishError(ReplayError):
    """Kafka cannot take the replay."""
