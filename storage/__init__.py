"""What it remembers: tables and named queries."""
