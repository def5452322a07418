"""What the terminal shows of one published customer, from what to do to what changed."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType

from configs.schema import Config
from configs.section import Language
from serving.changes.change_facts import customer_change, publication_before
from serving.changes.change_shown import render_customer
from serving.changes.changes import compare
from serving.pages.explain import render
from serving.scores.publication import Publication, open_live


def customer_page(
    config: Config,
    customer_id: str,
    since: str | None,
    language: Language,
    given: Path | None = None,
) -> RenderableType:
    """Return the sentence to act on, the reasons, the tier's rules and what changed.

    Args:
        config: names the store.
        customer_id: published.
        since: what to compare with; ``None`` for the publication before, where there is one.
        language: of the words.
        given: the configuration's file as it was given, for commands that are named.

    Raises:
        PublicationError: nobody of that id is published, or there is no such publication.
    """
    live = open_live(config.stores.publications)
    page = render(live.customer(customer_id), language, live.trace(customer_id), given)
    before = live.earlier() if since is None else publication_before(live, since)
    return (
        page
        if before is None
        else Group(page, _change(config, customer_id, before, live, language))
    )


def _change(
    config: Config, customer_id: str, before: Publication, live: Publication, language: Language
) -> RenderableType:
    records = config.stores.records / live.manifest.records
    changed = customer_change(compare(config, before, live), customer_id, records)
    return render_customer(changed, language)
