"""How it runs: everything that touches the outside."""
