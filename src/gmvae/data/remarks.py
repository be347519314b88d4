"""What is said of columns that were left out, or may not be what they were taken for."""

from __future__ import annotations

import re
from collections import defaultdict

from gmvae.data.table_cells import listed

MOST_LEVELS = 1000
"""Of a category: each is an input and an output of the network."""
LIKE_MARK = re.compile(
    r"[-–—.?*]{1,3}|\\n|n[./]?[ad]\.?|k\.a\.|nan?|nat|none|nil|[(<]?null[)>]?|missing|undefined|unknown"
    r"|not (available|known)|#[a-z0-9/]+[!?]?|-?9{2,4}|-9",
    re.IGNORECASE,
)
"""Levels that may be meant as missing but are some people's categories, too."""


class Remarks:
    """What is said about columns, those with the same remark together."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = defaultdict(list)

    def add(self, sentence: str, name: str) -> None:
        """Add a name to a sentence, in which ``{}`` stands for the names."""
        self._names[sentence].append(name)

    def sentences(self) -> list[str]:
        return [sentence.replace("{}", listed(names)) for sentence, names in self._names.items()]


IDS = (
    "Left out: {}, where nearly every row has a text of its own, as names, ids and free text have; to keep them as "
    "categories, name them in `likelihood` as 'categorical' (`--columns`)."
)
MEASURES = "Left out: {}, numbers with a unit or sign beside each; write plain numbers to have them as such."
MANY = f"Left out: {{}}, with more than {MOST_LEVELS:,} different texts; group them into fewer categories to keep them."
DATES = "Left out: {}, dates or times; encode them as numbers, such as a year or days since a day, to keep them."
CODES = (
    "Taken as text: {}, whose cells begin with zeros or have 20 digits or more, as codes do; leave the zeros out to "
    "have numbers."
)
MAYBE_DAYS = "Perhaps dates: {}, whole numbers such as 20201231; write days since a day, or leave them out (`--drop`)."
UNITS = "Taken as text: {}, numbers with a unit or sign beside them; write plain numbers to have them as such."
CASE = "Different levels though alike but for upper and lower case: in {}; write them alike to join them."
MAYBE_MARKS = "Perhaps marks of missing cells: %s in {}; name them (`--missing`) if they are, else they are categories."
ONE = "Left out: {}, where every row has the same text or none."
MAYBE_ID = (
    "Perhaps an id: {}, a different whole number in nearly every row; if it is one, leave it out (`--id` names rows by "
    "it, `--drop` drops it)."
)
