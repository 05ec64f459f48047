"""Messages nobody asked for: reminder, digest, receipt."""
