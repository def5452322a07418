"""How much jobs may put on disk: publishing, keys and the audit log must go on."""

from __future__ import annotations

import shutil

from configs.schema import Config, Text
from serving.endpoint.problem_kinds import KINDS
from serving.jobs.job_rows import UnreadableError

NO_ROOM = KINDS["no-room"].detail
TOO_MANY_ROWS = Text(
    zh="文件的行数超过serving.jobs.rows_at_most；请拆分成几个任务。",
    en="The file holds more rows than serving.jobs.rows_at_most; send it as several jobs.",
)


def has_room(config: Config) -> bool:
    """Return whether the disk of the stores has more left than jobs must leave."""
    free = shutil.disk_usage(config.stores.root).free
    return free >= config.serving.jobs.spare_bytes_at_least


def check_size(config: Config, n_rows: int) -> None:
    """Check that a job of ``n_rows`` so far may go on.

    A short file may hold any number of rows, and each makes a kilobyte or two of results.

    Raises:
        UnreadableError: it may not.
    """
    if n_rows > config.serving.jobs.rows_at_most:
        raise UnreadableError(TOO_MANY_ROWS)
    if not has_room(config):
        raise UnreadableError(NO_ROOM)
