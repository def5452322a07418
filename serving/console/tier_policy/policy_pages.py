"""The pages of the tier policy and of its quarterly review, as rows of the table of pages."""

from __future__ import annotations

from serving.console.page import READ, Page
from serving.console.tier_policy import policy, policy_editor, review
from serving.endpoint.route import Role

ONE = "/console/policy/{version:int}"


def pages(readers: frozenset[Role], managers: frozenset[Role]) -> tuple[Page, ...]:
    """Return the rows: ``readers`` look, ``managers`` propose and decide."""
    post = ("POST",)
    return (
        Page("/console/review", READ, readers, "console_review", review.page),
        Page("/console/review", post, managers, "console_review_note", review.add),
        Page("/console/policy", READ, readers, "console_policy", policy.index),
        Page("/console/policy/publishing", READ, readers, "console_publishing", policy.publishing),
        Page("/console/policy/compare", READ, readers, "console_policy_compare", policy.compare),
        Page("/console/policy/edit", READ, managers, "console_policy_edit", policy_editor.form),
        Page("/console/policy/edit", post, managers, "console_policy_write", policy_editor.edited),
        Page("/console/policy/preview", post, managers, "console_preview", policy_editor.preview),
        Page("/console/policy/publish", post, managers, "console_publish", policy.publish),
        Page("/console/policy/use-bundle", post, managers, "console_bundle", policy.use_bundle),
        Page(ONE, READ, readers, "console_policy_version", policy.version),
        Page(f"{ONE}/decide", post, managers, "console_policy_decide", policy.decide),
        Page(f"{ONE}/restore", post, managers, "console_policy_restore", policy.restore),
    )
