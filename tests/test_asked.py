"""Questions about customers, asked of a publication that goes away."""

from __future__ import annotations

import asyncio
import shutil
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from configs.load import load
from serving.endpoint import asked
from serving.endpoint.gate import DOCUMENT, KEY, LANGUAGE
from serving.endpoint.problems import ProblemError
from serving.scores.publication import open_publication
from serving.scores.publish import publish_matrix
from tests.small_bundle import job_in, matrix_of


def test_a_publication_removed_before_it_was_first_asked_is_not_ready(tmp_path):
    """A look-up is opened by the first question; after that the file may go."""
    publication = open_publication(publish_matrix(job_in(tmp_path), matrix_of(20)))
    served = SimpleNamespace(publication=publication, texts_by_id=publication.find_texts)
    endpoint: Any = SimpleNamespace(served=served, config=load(None, {}))
    shutil.rmtree(publication.folder)
    scope = {
        "type": "http",
        "headers": [],
        DOCUMENT: {"customer_ids": ["C000001"]},
        KEY: None,
        LANGUAGE: None,
    }
    with pytest.raises(ProblemError) as refused:
        asyncio.run(asked.predictions(Request(scope), endpoint))
    assert (refused.value.code, "Retry-After" in refused.value.headers) == ("not-ready", True)
