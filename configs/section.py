"""What every part of the configuration is made of: frozen sections, texts in both languages."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict

Language = Literal["zh", "en"]


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA time zone (such as 'Asia/Shanghai')") from error
    return name


Timezone = Annotated[str, AfterValidator(_known_timezone)]


class Section(BaseModel):
    """A part of the configuration: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Text(Section):
    """A name in both languages."""

    zh: str
    en: str

    def __getitem__(self, language: Language) -> str:
        """Return the text in ``language``.

        >>> Text(zh="客户", en="customer")["zh"]
        '客户'
        """
        return self.zh if language == "zh" else self.en
