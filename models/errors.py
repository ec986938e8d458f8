"""The root of the errors of this package that a user can cause or mend."""


class ModelError(Exception):
    """A model could not be named, built, saved or loaded; the message says what to do."""
