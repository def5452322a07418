"""uvicorn's HTTP/1.1, with problem documents for what is no HTTP at all.

Such a request never reaches the app: duplicate lengths, unknown transfer codings, headers without
end. uvicorn answers it with a plain sentence; this answers it as everything else is.
"""

from __future__ import annotations

import sys
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving.problems import ProblemError, encoded
from serving.trace_id import trace_id


class ProblemProtocol(H11Protocol):
    """The protocol that ``echelon serve`` runs uvicorn with."""

    def send_400_response(self, msg: str) -> None:
        """Answer what h11 refuses, then close; nothing, where an answer has begun."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            status = getattr(sys.exc_info()[1], "error_status_hint", 400)
            code = "headers-too-large" if status == 431 else "malformed-request"
            trace = trace_id(())
            problem = ProblemError(code, headers={"connection": "close", "x-request-id": trace})
            body, headers = encoded(problem, trace)
            start = h11.Response(
                status_code=problem.kind.status,
                headers=list(headers.items()),
                reason=HTTPStatus(problem.kind.status).phrase.encode(),
            )
            for event in (start, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        self.transport.close()
