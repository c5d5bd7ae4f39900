"""Many files through the engine: what each verb does with one, and the batches in which they go."""

from .decode import DecodeJob
from .encode import EncodeJob
from .flow import run
from .transcode import TranscodeJob

__all__ = ["DecodeJob", "EncodeJob", "TranscodeJob", "run"]
