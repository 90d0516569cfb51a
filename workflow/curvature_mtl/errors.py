"""The one exception that means: the user can mend this."""

LONGEST_MESSAGE = 2000  # characters


class UserError(Exception):
    """A mistake in a file, a row or an option; the message names it and the remedy.

    Commands print the message without a traceback and exit with code 1. It is always one line without control
    characters, and of a long one the middle is left out: messages quote what stands in files of any content.
    """

    def __init__(self, message: str):
        super().__init__(one_line(message, LONGEST_MESSAGE))


def one_line(text: str, longest: int) -> str:
    """Return the text in one line of printable characters, of a longer one its beginning and its end."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    half = longest // 2
    return line if len(line) <= longest else f"{line[:half]} [...] {line[-half:]}"
