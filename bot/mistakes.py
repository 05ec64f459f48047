"""What an operator can mend: said in one line, without a traceback."""

from handlers.texts import say


class Mistake(Exception):
    """Something in the operator's words or files is wrong: ``key`` and ``values`` of the text that says what."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values

    def sentence(self, lang: str) -> str:
        """The line."""
        return say(lang, self.key, **self.values)
