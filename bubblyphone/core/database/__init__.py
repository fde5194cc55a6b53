"""Transactions: consistent reads, and actions after a commit."""
