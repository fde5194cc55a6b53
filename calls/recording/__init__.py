"""A call's recording: laid down while it is talked, kept afterwards, played, deleted."""
