"""Consistent reads, actions after a commit, and queries that are compiled once."""
