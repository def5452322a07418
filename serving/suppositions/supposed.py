"""The error of a question that cannot be supposed, in both languages."""

from __future__ import annotations

from configs.errors import RecordsError
from configs.section import Text


class NotSupposableError(RecordsError):
    """Events, or a customer, that nothing can be supposed of.

    Args:
        what: what is wrong, without a full stop.
        remedy: how to mend it, as a sentence.
    """

    def __init__(self, what: Text, remedy: Text) -> None:
        super().__init__(f"{what.en}. {remedy.en}")
        self.what = what
        self.remedy = remedy
