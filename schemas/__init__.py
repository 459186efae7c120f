"""The wire contract: topics, records, names and units. See ``nomenclature.md`` beside this file."""

VERSION = 1
"""Version of every record kind in this package; a breaking change makes a new module and topic."""
