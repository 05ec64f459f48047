"""Files that are built when they are sent."""
