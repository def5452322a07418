"""The rows of a job on their way to disk: piece by piece, never whole in memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from starlette.requests import ClientDisconnect, Request

from configs.files import written_whole
from configs.schema import Text
from serving.endpoint.problems import ProblemError
from serving.jobs.job_rows import RowFormat

PIECE_BYTES = 1 << 20
PARQUET_MAGIC = b"PAR1"
UPLOAD_SECONDS = 600.0
"""Less than a reservation of an idempotency key holds."""
TOO_SLOW = Text(
    zh="请在10分钟内发送全部行，或拆分成几个任务。",
    en="Send all rows within 10 minutes, or as several jobs.",
)


@dataclass(frozen=True)
class Upload:
    """What arrived.

    Attributes:
        digest: SHA-256 of the bytes.
        size: how many.
    """

    digest: str
    size: int


async def received(
    request: Request, path: Path, form: RowFormat, check_disk: Callable[[], None]
) -> Upload:
    """Write the body of ``request`` to ``path``, which is there only once it is whole.

    Args:
        request: its body is not read yet.
        path: in a folder of its own, which nobody else may look into.
        form: of the rows.
        check_disk: raises where there is no room; called for every piece, as others write, too.

    Raises:
        ProblemError: malformed-request where the client goes away; body-too-slow; no-rows;
            not-parquet. What the gate counts and times it refuses itself.
    """
    check_disk()
    path.parent.mkdir(mode=0o700, parents=True)
    digest = hashlib.sha256()
    size = 0
    with written_whole(path) as draft:
        with draft.open("wb") as file:
            waiting: list[bytes] = []
            try:
                async with asyncio.timeout(UPLOAD_SECONDS):
                    async for piece in request.stream():
                        waiting.append(piece)
                        size += len(piece)
                        digest.update(piece)
                        if sum(map(len, waiting)) >= PIECE_BYTES:
                            await to_thread.run_sync(file.writelines, waiting)
                            waiting = []
                            check_disk()
            except ClientDisconnect as error:
                raise ProblemError("malformed-request") from error
            except TimeoutError as error:
                raise ProblemError("body-too-slow", TOO_SLOW) from error
            await to_thread.run_sync(file.writelines, waiting)
        _check(draft, size, form)
    return Upload(digest.hexdigest(), size)


def _check(path: Path, size: int, form: RowFormat) -> None:
    """Refuse what is surely no file of rows; the rest is found out row by row."""
    if size == 0:
        raise ProblemError("no-rows")
    if form == "parquet":
        with path.open("rb") as file:
            head = file.read(len(PARQUET_MAGIC))
            file.seek(max(size - len(PARQUET_MAGIC), 0))
            if {head, file.read()} != {PARQUET_MAGIC}:
                raise ProblemError("not-parquet")
