"""The errors of this package: each has its own type, and a message that says what to do.

ModelError
+-- UnknownArchitectureError   no architecture has this name
+-- ModelShapeError            a number of classes, image size or number of channels that cannot be
+-- WeightsError               weights that cannot be had, read, or put into this model
    +-- WeightsDownloadError   ImageNet weights asked for, and no network
    +-- WeightsHashError       the file is not the one that was saved
"""


class ModelError(Exception):
    """A model could not be named, built, saved or loaded; the message says what to do."""


class UnknownArchitectureError(ModelError):
    """No architecture has this name."""


class ModelShapeError(ModelError):
    """A number of classes, an image size or a number of channels that no model can have."""


class WeightsError(ModelError):
    """Weights that cannot be found, read, or put into this model."""


class WeightsDownloadError(WeightsError):
    """ImageNet weights were asked for and could not be downloaded."""


class WeightsHashError(WeightsError):
    """A weights file differs from the one that was saved."""
