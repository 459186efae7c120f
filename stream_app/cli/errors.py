"""Errors that a person can mend; shown without a traceback."""


class UserError(Exception):
    """What is wrong, where, and the remedy."""
