"""What the commands do with people: open the state database, act, put it on record, close."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from configs.errors import ServiceError
from configs.schema import Config
from serving.access.audit import note
from serving.console.visitors import people, sessions
from serving.console.visitors.people import LOCAL, Listed, Person
from serving.endpoint.bind import is_loopback
from serving.endpoint.state import State, open_state


def add(config: Config, name: str, role: str, password: str | None) -> Person:
    """Add somebody; see :func:`serving.console.visitors.people.add`."""
    if people.as_typed(name) == LOCAL:
        raise ServiceError(f"{LOCAL!r} is who comes by the link of the start; choose another name")
    with _state(config) as state:
        person = people.add(state, name, role, password)
    note(config.stores, "person-added", person=person.id, role=person.role)
    return person


def listed(config: Config) -> Sequence[Listed]:
    """Return everybody, those disabled too."""
    with _state(config) as state:
        return people.listed(state)


def disable(config: Config, name: str) -> Person:
    """Let somebody in no more, and end their sessions."""
    with _state(config) as state:
        person = people.disable(state, name)
        sessions.close_all(state, person)
    note(config.stores, "person-disabled", person=person.id)
    return person


def set_password(config: Config, name: str, password: str) -> Person:
    """Give somebody another password, and end their sessions."""
    with _state(config) as state:
        person = people.set_password(state, name, password)
        sessions.close_all(state, person)
    note(config.stores, "password-set", person=person.id)
    return person


def link(config: Config, name: str = LOCAL) -> str:
    """Return the path and query of a link that signs somebody in once.

    Raises:
        ServiceError: there is nobody of that name.
    """
    with _state(config) as state:
        person = people.local(state) if name == LOCAL else people.named(state, name)
        if person is None:
            raise ServiceError(f"there is nobody named {name!r}; see `echelon users list`")
        token = sessions.open_link(state, person)
    note(config.stores, "link-made", person=person.id)
    return f"/console/link?token={token}"


def url(config: Config) -> str:
    """Return where a browser finds the console by the configuration, without a slash at its end."""
    serving = config.serving
    scheme = "http" if serving.tls_certificate is None else "https"
    names = [name for name in serving.allowed_hosts if not is_loopback(name)]
    host = serving.host if is_loopback(serving.host) or not names else names[0]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{serving.port}"


@contextmanager
def _state(config: Config) -> Iterator[State]:
    state = open_state(config.stores)
    try:
        yield state
    finally:
        state.close()
