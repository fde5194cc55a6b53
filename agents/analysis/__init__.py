"""Extracting the fields of an agent's analysis schema from a call's transcript."""
