"""A season of 27 days over the stand-in of the Bot API, drawn from a seed, and judged by what could be seen outside."""
