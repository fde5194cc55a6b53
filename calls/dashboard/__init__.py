"""The call pages: content and forms."""
