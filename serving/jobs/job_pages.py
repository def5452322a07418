"""Handlers of batch jobs: take one in, say how it stands, give its results, end it."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from functools import partial
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from serving.endpoint.complaints import invalid
from serving.endpoint.endpoint import Endpoint, caller_of
from serving.endpoint.histories import WRONG_CURSOR, cursor, whole
from serving.endpoint.media_types import preferred_type
from serving.endpoint.problems import ProblemError
from serving.endpoint.replies import as_text
from serving.jobs.idempotency import IdempotencyKeys, Reply, Reservation, key_in, replayed
from serving.jobs.job_book import UNFINISHED, Job, JobBook, new_id
from serving.jobs.job_results import result_file
from serving.jobs.job_rows import FORMATS, RowFormat
from serving.jobs.job_runner import rows_file
from serving.jobs.room import has_room
from serving.jobs.uploads import Upload, received

JSON = "application/json"
MOST = 100
SHOWN = 20


async def create(request: Request, endpoint: Endpoint) -> Response:
    """Take a job in; the answer says where it stands."""
    jobs = Jobs(endpoint, request)
    key = key_in(request.headers)
    held = None
    if key is not None:
        held = await to_thread.run_sync(jobs.keys.reserve, jobs.caller, key, _now())
    try:
        reply = await jobs.taken_in(held)
    except BaseException:
        if held is not None:
            await to_thread.run_sync(jobs.keys.release, held)
        raise
    return Response(reply.body, reply.status, dict(reply.headers), JSON)


async def listed(request: Request, endpoint: Endpoint) -> Response:
    """Answer with the caller's jobs, the newest first."""
    jobs = Jobs(endpoint, request)
    limit, after = whole(request, "limit", SHOWN, MOST), cursor(request)
    if after is not None and await jobs.seen(after) is None:
        raise invalid([WRONG_CURSOR])
    found = await to_thread.run_sync(jobs.book.listed, jobs.owner, limit + 1, after)
    more = found[limit - 1].id if len(found) > limit else None
    told = {"jobs": [document(job) for job in found[:limit]], "next": more}
    return Response(as_text(told), media_type=JSON)


async def shown(request: Request, endpoint: Endpoint) -> Response:
    """Answer with how a job stands."""
    job = await Jobs(endpoint, request).asked_for()
    return Response(as_text(document(job)), media_type=JSON)


async def results(request: Request, endpoint: Endpoint) -> Response:
    """Answer with the results of a job, as NDJSON or Parquet."""
    media_type = preferred_type(request.headers.get("accept", "*/*"), tuple(FORMATS))
    if media_type is None:
        raise ProblemError("not-acceptable")
    job = await Jobs(endpoint, request).asked_for()
    if job.state == "expired":
        raise ProblemError("job-expired")
    if job.state != "succeeded":
        wait = {"Retry-After": "5"} if job.state in UNFINISHED else {}
        raise ProblemError("job-without-results", headers=wait)
    path = result_file(endpoint.config.stores.jobs / job.id, FORMATS[media_type])
    if not path.is_file():
        raise ProblemError("unknown-job")  # removed in this moment
    headers = {"vary": "Accept"}
    return FileResponse(path, headers=headers, media_type=media_type, filename=path.name)


async def end(request: Request, endpoint: Endpoint) -> Response:
    """Cancel a job that is not finished; remove one that is, with its rows and results."""
    jobs = Jobs(endpoint, request)
    job = await jobs.asked_for()
    is_cancelled = await to_thread.run_sync(jobs.cancelled, job)
    if is_cancelled:
        return Response(as_text(document(await jobs.asked_for())), media_type=JSON)
    await to_thread.run_sync(jobs.removed, job)
    return Response(status_code=204)


class Jobs:
    """The jobs of who asks.

    Attributes:
        book: of all jobs.
        keys: idempotency keys of all callers.
        key_id: of the API key that asks; ``None`` where none is asked for.
        owner: whose jobs may be seen; ``None`` for everybody's, as an admin of all customers.
        caller: whom idempotency keys belong to.
    """

    def __init__(self, endpoint: Endpoint, request: Request) -> None:
        self._request, self._config = request, endpoint.config
        self._store = endpoint.config.stores.jobs
        self._kept = dt.timedelta(days=endpoint.config.serving.jobs.kept_days)
        self._state = endpoint.state
        self.book = JobBook(endpoint.state)
        self.keys = IdempotencyKeys(endpoint.state)
        key = caller_of(request)
        self.key_id = None if key is None else key.id
        sees_all = key is None or (key.role == "admin" and key.customers.is_everybody)
        self.owner = None if key is None or sees_all else key.id
        self.caller = self.key_id or "anybody"

    async def asked_for(self) -> Job:
        """Return the job that the address names.

        Raises:
            ProblemError: unknown-job, also for one of another caller.
        """
        job = await self.seen(self._request.path_params["job_id"])
        if job is None:
            raise ProblemError("unknown-job")
        return job

    async def seen(self, job_id: str) -> Job | None:
        """Return the job of that id; ``None`` where there is none that the caller may see."""
        job = await to_thread.run_sync(self.book.find, job_id)
        is_hidden = job is None or (self.owner is not None and job.owner != self.owner)
        return None if is_hidden else job

    async def taken_in(self, held: Reservation | None) -> Reply:
        """Return the answer to a request for a job, stored under the key that is ``held``."""
        media_type = self._request.headers["content-type"].partition(";")[0].strip().lower()
        form = FORMATS[media_type]
        if held is None or held.stored is None:
            await to_thread.run_sync(self._check_room)
        job_id = new_id()
        folder = self._store / job_id
        is_kept = False
        try:
            path = rows_file(folder, form)
            upload = await received(self._request, path, form, self._check_disk)
            print_of_body = self._fingerprint(media_type, upload)
            if held is not None and held.stored is not None:
                return replayed(held, print_of_body)
            add = partial(self._add, job_id, form, held, print_of_body)
            reply = await to_thread.run_sync(add)
            is_kept = True
            return reply
        finally:
            if not is_kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _check_room(self) -> None:
        if self.book.n_waiting() >= self._config.serving.jobs.waiting_at_most:
            raise ProblemError("too-many-jobs", headers={"Retry-After": "60"})

    def _check_disk(self) -> None:
        if not has_room(self._config):
            raise ProblemError("no-room")

    def _fingerprint(self, media_type: str, upload: Upload) -> str:
        parts = (self._request.method, self._request.url.path, media_type, upload.digest)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _add(
        self, job_id: str, form: RowFormat, held: Reservation | None, fingerprint: str
    ) -> Reply:
        """Queue the job and store the answer in one step: a crash leaves both or neither."""
        now = _now()
        told = document(new_job(job_id, self.key_id, form, now))
        reply = Reply(202, {"location": f"/v1/jobs/{job_id}"}, as_text(told))
        with self._state.writing() as connection:
            self.book.add(connection, job_id, self.key_id, form, now)
            if held is not None:
                self.keys.complete(connection, held, fingerprint, reply)
        return reply

    def cancelled(self, job: Job) -> bool:
        """Cancel a job; return whether it was queued or running."""
        is_cancelled = self.book.cancel(job.id, _now(), self._kept)
        if is_cancelled and job.state == "queued":
            shutil.rmtree(self._store / job.id, ignore_errors=True)
        return is_cancelled

    def removed(self, job: Job) -> None:
        """Remove a finished job and its files."""
        self.book.forget(job.id)
        shutil.rmtree(self._store / job.id, ignore_errors=True)


def new_job(job_id: str, owner: str | None, form: RowFormat, now: dt.datetime) -> Job:
    """Return a job as it is when it is queued."""
    nothing = dict.fromkeys(("ok", "error"), 0)
    later: dict[str, Any] = dict.fromkeys(("started_at", "finished_at", "expires_at", "total"))
    unknown: dict[str, Any] = dict.fromkeys(("publication", "as_of", "versions", "failure"))
    return Job(job_id, owner, form, "queued", now, **later, counts=nothing, **unknown)


def document(job: Job) -> dict[str, Any]:
    """Return what is said of a job."""
    done = job.counts["ok"] + job.counts["error"]
    address = f"/v1/jobs/{job.id}"
    return {
        "id": job.id,
        "state": job.state,
        "created_at": _told(job.created_at),
        "started_at": _told(job.started_at),
        "finished_at": _told(job.finished_at),
        "expires_at": _told(job.expires_at),
        "rows": {"total": job.total, "done": done, **job.counts},
        "publication": job.publication,
        "as_of": None if job.as_of is None else job.as_of.isoformat(),
        "versions": None if job.versions is None else dict(job.versions),
        "failure": None if job.failure is None else job.failure.model_dump(),
        "results": f"{address}/results" if job.state == "succeeded" else None,
    }


def _told(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
