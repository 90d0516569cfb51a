"""Secrets stay out of what is written: the key of the Materials Project, and `user:password@` in addresses."""

import json
import logging
import os
import re
from urllib.parse import quote

KEY_VARIABLE = "MP_API_KEY"
SHORTEST_KEY = 8  # a shorter one is no key, and would be found in ordinary words
STARS = "***"
PASSWORD = re.compile(r"(?<=://)[^/?#\s'\"]*@")


def redacted(text: str) -> str:
    """Return the text with stars in place of the value of MP_API_KEY, plain or escaped, and of passwords."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if len(key) >= SHORTEST_KEY:
        for form in {key, quote(key, safe=""), quote(key), json.dumps(key)[1:-1], repr(key)[1:-1]}:
            text = text.replace(form, STARS)
    return PASSWORD.sub(f"{STARS}@", text)


class RedactingFormatter(logging.Formatter):
    """Formats a record with its traceback, and takes the secrets out of all of it."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))
