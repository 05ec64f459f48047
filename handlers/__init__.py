"""What it says: the conversation, knowing no channel."""
