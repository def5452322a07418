"""What is scored in the shadow is what would be published, and readers see none of it."""

from __future__ import annotations

from dataclasses import replace

from configs.files import live_generation
from serving.scores.publication import open_live, open_publication
from serving.scores.publish import publish_matrix, shadow_matrix
from tests.small_bundle import job_in, matrix_of, small_bundle


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def challenger_of(job):
    bundle = small_bundle()
    churn = replace(bundle.models["churn"], intercept=0.4)
    terms = job.terms.model_copy(update={"model": "13"})
    models = bundle.models | {"churn": churn}
    return replace(job, bundle=replace(bundle, models=models), terms=terms, digest="d2")


def test_a_shadow_changes_no_file_that_readers_see(tmp_path):
    job = job_in(tmp_path)
    publish_matrix(job, matrix_of(60))
    before = files(job.store)
    folder = shadow_matrix(challenger_of(job), matrix_of(60))
    assert files(job.store) == before
    assert folder.parent == job.config.stores.shadows
    assert live_generation(job.config.stores.shadows) is None
    assert open_live(job.store).manifest.terms.model == "12"


def test_a_shadow_is_what_would_be_published_against_the_same_past(tmp_path):
    job = job_in(tmp_path)
    publish_matrix(job, matrix_of(60, day=19_950))
    publish_matrix(job, matrix_of(60))
    challenger = challenger_of(job)
    shadow = open_publication(shadow_matrix(challenger, matrix_of(60)))
    publish_matrix(challenger, matrix_of(60))
    published = open_live(job.store)
    assert shadow.scores().equals(published.scores())
    assert shadow.reasons().equals(published.reasons())
    assert shadow.manifest.previous == published.manifest.previous is not None


def test_the_same_shadow_is_not_made_twice(tmp_path):
    job = job_in(tmp_path)
    assert shadow_matrix(job, matrix_of(40)) == shadow_matrix(job, matrix_of(40))
    other = shadow_matrix(challenger_of(job), matrix_of(40))
    assert len([p for p in other.parent.iterdir() if p.is_dir()]) == 2


def test_a_publication_names_its_bundle_and_another_of_the_version_is_not_it(tmp_path):
    job = replace(job_in(tmp_path), digest="d1")
    first = open_publication(publish_matrix(job, matrix_of(40)))
    again = open_publication(publish_matrix(replace(job, digest="d2"), matrix_of(40)))
    assert first.folder != again.folder
    assert (first.is_made_by("d1"), first.is_made_by("d2")) == (True, False)
