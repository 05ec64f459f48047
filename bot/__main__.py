"""``python -m bot`` is ``kiemdiem``."""

from bot.cli import main

main()
