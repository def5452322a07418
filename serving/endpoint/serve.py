"""How ``echelon serve`` starts the endpoint: everything is checked first, then it is served.

The BentoML service runs under BentoML's own server, uvicorn, in this process or, with
``serving.workers``, in several under ``serving/endpoint/supervisor.py``. BentoML's supervisor
(``bentoml serve``) is left aside: it starts a failing worker for ever without a word, and its
control socket takes orders from any local user.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shlex
import socket
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from configs.errors import PublicationError, ServiceError
from configs.files import live_generation
from configs.lean import keep_out
from configs.schema import Config
from serving.access.key_office import key_file, prepare_start
from serving.endpoint.bind import is_loopback

EXAMPLE_PATH = "/v1/predictions"
BACKLOG = 2048
SWITCH_SECONDS = 0.0005
"""How long a thread of the background may hold up answers at a time; by default ten times that."""
KEEP_ALIVE_SECONDS = 75
"""How long a connection may stay idle: longer than balancers keep theirs (usually 60 s), so that
they close it, and never send a request over one that is being closed here."""
END_SECONDS = 15.0
"""How much longer than it should need a worker may take to end."""


def serve(
    config: Config, config_path: Path | None, host: str | None = None, port: int | None = None
) -> None:
    """Answer predictions until Ctrl-C or SIGTERM; requests being answered are finished first.

    Args:
        config: the configuration; it is handed over as it is, not read again.
        config_path: where it came from, for the commands that are printed.
        host: address to listen on, in place of the configuration's.
        port: port to listen on, in place of the configuration's.

    Raises:
        ServiceError: the address is not this machine's alone, or the port is taken.
        PublicationError: nothing is published yet, or it is damaged.
        ModelError: the models of the publication cannot be used.
    """
    address = (host or config.serving.host, port or config.serving.port)
    require_publication(config.stores.publications)
    prepare_start(config, address[0])
    listener = listen(*address)
    told = partial(greet, config, listener)
    with tempfile.TemporaryDirectory(prefix="echelon-serve-") as folder:
        settle(Path(folder))
        if config.serving.workers == 1:
            answer(config, listener, told, end_at_once, lambda: True, lambda: None)
        else:
            supervise(config, listener, Path(folder) / "served", told)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address that :func:`prepare_start` let pass.

    It names TCP as its protocol: only then does asyncio turn off the delay of small packets, which
    costs 40 ms an answer on a connection that is used again.

    Raises:
        ServiceError: the port cannot be had.
    """
    address = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServiceError(
            f"port {port} on {address} cannot be had ({error.strerror}); stop what listens there, "
            "or choose another with --port or serving.port"
        ) from error
    return listener


def require_publication(store: Path) -> None:
    """Check that there is something to serve, before anything heavy is imported.

    Raises:
        PublicationError: nothing is published yet.
    """
    if live_generation(store) is None:
        raise PublicationError(
            f"nothing is published in {store} yet. Run `echelon run`, or `echelon score` when a "
            "model is promoted already"
        )


def settle(folder: Path) -> None:
    """Set what BentoML and Prometheus read from the environment when they are first imported.

    No usage data is sent, nothing is kept in the home folder, and metrics live in ``folder``.
    """
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    os.environ["BENTOML_HOME"] = str(folder / "bentoml")
    metrics = folder / "metrics"
    metrics.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)


def answer(
    config: Config,
    listener: socket.socket,
    on_ready: Callable[[str], None],
    on_second: Callable[[int], None],
    is_last: Callable[[], bool],
    on_beat: Callable[[], None],
    note: Path | None = None,
) -> None:
    """Answer on ``listener`` in this process until told to stop.

    Args:
        config: the configuration.
        listener: from :func:`listen`.
        on_ready: called with a greeting once requests are answered.
        on_second: called with a second signal.
        is_last: whether nobody else goes on answering on ``listener``.
        on_beat: called again and again for as long as it can answer.
        note: where workers note what they serve, see :class:`serving.endpoint.current.Current`.

    Raises:
        PublicationError: the live publication is damaged.
        ModelError: its models cannot be used.
    """
    keep_out()
    sys.setswitchinterval(SWITCH_SECONDS)
    import uvicorn

    from serving.api import service
    from serving.endpoint.protocol import ProblemProtocol
    from serving.endpoint.route import ANSWER_SECONDS
    from serving.endpoint.server import Server

    app = service.for_config(config)
    service.current.note = note
    service.current.start()

    def ready() -> None:
        leave_out_of_collection()
        on_ready(greeting(url_of(listener, config), service.example(), key_file(config)))

    settings = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=ProblemProtocol,
        ws="none",
        lifespan="on",
        ssl_certfile=config.serving.tls_certificate,
        ssl_keyfile=config.serving.tls_key,
        timeout_graceful_shutdown=ANSWER_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    Server(
        settings,
        config.serving.drain_seconds,
        ready,
        service.current.leave,
        on_second,
        is_last,
        on_beat,
    ).run(sockets=[listener])


def leave_out_of_collection() -> None:
    """Leave what is loaded by now out of garbage collection.

    It stays, and every look through all of it would hold up answers.
    """
    gc.collect()
    gc.freeze()


def supervise(
    config: Config, listener: socket.socket, note: Path, told: Callable[[str], None]
) -> None:
    """Answer on ``listener`` in several processes until told to stop.

    What they import is imported before they are made, so that a replacement is quick.
    """
    keep_out()
    from prometheus_client.multiprocess import mark_process_dead

    import serving.api
    import serving.endpoint.served  # noqa: F401
    from serving.endpoint import logs
    from serving.endpoint.route import ANSWER_SECONDS
    from serving.endpoint.supervisor import Supervisor

    logs.start()
    ending = multiprocessing.RawValue("b", 0)  # in memory that all workers see

    def is_last() -> bool:
        return bool(ending.value)

    def work(on_ready: Callable[[str], None], on_beat: Callable[[], None]) -> None:
        answer(config, listener, on_ready, lambda sig: None, is_last, on_beat, note)

    def leave() -> None:
        ending.value = 1
        listener.close()

    Supervisor(
        work,
        config.serving.workers,
        config.serving.drain_seconds + ANSWER_SECONDS + END_SECONDS,
        told,
        leave,
        mark_process_dead,
    ).run()


def end_at_once(sig: int) -> None:
    """End as a process that the signal killed, whatever is being answered."""
    os._exit(128 + sig)


def greet(config: Config, listener: socket.socket, greeting: str) -> None:
    """Print where the endpoint answers, and how people come in: to the terminal, never to the log.

    A link that signs in is printed only where nobody but this machine could use it.
    """
    from serving.console.visitors.people_office import link

    url = url_of(listener, config)
    if is_loopback(listener.getsockname()[0]):
        way = f"open this once, within half an hour:\n  {url}{link(config)}"
    else:
        way = f"sign in at {url} (echelon users add NAME lets somebody in)"
    print(f"{greeting}\nThe console, for managers: {way}", flush=True)


def url_of(listener: socket.socket, config: Config) -> str:
    """Return the address of ``listener``, by a host name that is allowed."""
    scheme = "http" if config.serving.tls_certificate is None else "https"
    host, port = listener.getsockname()[:2]
    if not is_loopback(host):
        host = next(name for name in config.serving.allowed_hosts if not is_loopback(name))
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}"


def greeting(url: str, customer_id: str, key: Path | None) -> str:
    """Return what the terminal shows once the endpoint answers; the key itself is not shown."""
    shown = "ech_…" if key is None else f"$(cat {shlex.quote(str(key))})"
    body = shlex.quote(json.dumps({"customer_ids": [customer_id]}, ensure_ascii=False))
    return (
        f"Echelon answers on {url} (Ctrl-C stops it). Try:\n"
        f'  curl -s {url}{EXAMPLE_PATH} -H "Authorization: Bearer {shown}" '
        f"-H 'Content-Type: application/json' -d {body}\n"
        f"Its document: {url}/docs.json, to read: {url}/docs"
    )
