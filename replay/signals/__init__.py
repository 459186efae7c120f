"""Exports with a file a signal, or with signals of batteries and meters in columns."""
