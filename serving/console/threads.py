"""Threads in which pages and files are made: so many and no more, whatever is asked for.

The endpoint has its own, so that slow pages keep no program waiting. A page that is given up keeps
its thread until it ends: who asks again and again for a slow one makes no thread more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from typing import TypeVar

PAGES_AT_ONCE = 12
FILES_AT_ONCE = 2
"""A workbook of 20,000 customers takes a thread for many seconds; pages must not wait for it."""

T = TypeVar("T")


async def in_threads(threads: Executor, work: Callable[[], T]) -> T:
    """Return what ``work`` returns, done in one of ``threads``."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(threads, partial(copy_context().run, work))


async def parts_in_threads(threads: Executor, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield ``parts`` of a file, each made in one of ``threads``."""
    while part := await in_threads(threads, partial(next, parts, b"")):
        yield part
