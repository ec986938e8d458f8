"""Starting Keras without its backend's chatter: dozens of lines about drivers that a user cannot act on."""

from __future__ import annotations

import os
import sys
import tempfile


def start_backend() -> None:
    """Import Keras and find its devices, with what the backend's C++ writes to stderr kept back.

    The lines come before any setting of theirs is read, so the file descriptor itself is turned aside for the
    few seconds. They are shown where the start fails.
    """
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import keras

            keras.ops.zeros(1)
        except BaseException:
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
