"""The root of every error that a user can cause or mend.

    HilumError
    +-- InvalidNameError, WorkspaceFormatError, ...   (each defined where it is raised)

models/ knows nothing of pipeline and has a root of its own, `models.errors.ModelError`. Whoever faces the
user (a page, the command line) catches both through `user_errors()`.
"""

from models.errors import ModelError


class HilumError(Exception):
    """Something the user can understand and act on: what came, what was expected, what to do."""


def user_errors() -> tuple[type[Exception], ...]:
    """Return the exception types whose message is written for the user."""
    return (HilumError, ModelError)
