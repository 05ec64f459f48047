"""The web chat: a page that comes to fetch its messages."""
