"""Made-up station exports: wide files like those of a real plant, defects included."""

from replay.sample.defects import Defect
from replay.sample.spec import SampleError, SampleSpec, interval_seconds
from replay.sample.write import FileWritten, SampleReport, write_sample

__all__ = [
    "Defect",
    "FileWritten",
    "SampleError",
    "SampleReport",
    "SampleSpec",
    "interval_seconds",
    "write_sample",
]
