"""The one exception that means: the user can mend this."""


class UserError(Exception):
    """A mistake in a file, a row or an option; the message names it and the remedy.

    Commands print the message without a traceback and exit with code 1.
    """
