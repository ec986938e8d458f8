"""What can go wrong in training, each with its way out.

TrainingError
+-- ConfigError              a configuration file or option that means nothing
+-- TooFewSlicesError        a class absent from a part, or too little to learn from
+-- DivergedError            the loss is no longer a number
+-- OutOfMemoryError         the machine has too little memory for this model, size and batch
+-- NothingToResumeError     the run is finished, or still running
+-- WorkersLostError         a cluster lost workers again and again
"""

from __future__ import annotations

from pipeline.errors import HilumError


class TrainingError(HilumError):
    """A training could not begin or go on."""


class ConfigError(TrainingError):
    """A configuration with a wrong key or value.

    Attributes:
        key: which, where it is one of them.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


class TooFewSlicesError(TrainingError):
    """A class is absent from a part, or there is too little to learn from."""


class DivergedError(TrainingError):
    """The loss is no longer a number."""


class OutOfMemoryError(TrainingError):
    """The machine has too little memory for this model, size and batch."""


class NothingToResumeError(TrainingError):
    """The run needs no resuming, or cannot be resumed."""


class WorkersLostError(TrainingError):
    """A cluster lost workers again and again."""
