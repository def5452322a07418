"""The same work in a bare FastAPI app: answers by id out of the same SQLite file, passed on unread.

python -m benchmarks.serving.fastapi_app LOOKUP PORT
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response
from pydantic import BaseModel


class Asked(BaseModel):
    customer_ids: list[str]


def app(lookup: Path) -> FastAPI:
    """Return the app; one connection for all requests, which are answered on the event loop."""
    made = FastAPI()
    connection = sqlite3.connect(f"file:{lookup}?mode=ro&immutable=1", uri=True)

    @made.post("/v1/predictions")
    async def predictions(asked: Asked) -> Response:
        marks = ", ".join("?" * len(asked.customer_ids))
        sql = f"SELECT answer FROM answers WHERE customer_id IN ({marks})"
        found = [answer for (answer,) in connection.execute(sql, asked.customer_ids)]
        return Response(f'{{"predictions":[{",".join(found)}]}}', media_type="application/json")

    return made


if __name__ == "__main__":
    uvicorn.run(app(Path(sys.argv[1])), port=int(sys.argv[2]), access_log=False, log_level="error")
