"""Being the only one: a lock on a file, which the system lets go of with the process, however that ends."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from doorward.errors import ConfigError

FILE_NAME = "serve.lock"


@contextmanager
def stay_alone(folder: Path) -> Generator[None]:
    """Be the only server on the data in `folder`, or ConfigError. Commands do not ask for this."""
    path = folder / FILE_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"storage.path: another server is running on {folder}; with `storage.type: local` there may be one "
                "only, because each would take the ends of the other's sessions for done"
            ) from error
        except OSError as error:
            raise ConfigError(f"{path} cannot be locked: {error.strerror}") from error
        yield
    finally:
        os.close(descriptor)
