"""The one exception for what a user can put right."""


class LabError(ValueError):
    """Bad input, files or state; the message is one line that names the culprit and the remedy.

    Command lines print the message alone and exit with status 2.
    """

    def __init__(self, message: str):
        # What a file says may be quoted in it: a key, a name.
        super().__init__(" ".join(message.splitlines()))
