"""Backups of an installation: one tar file with the database, the files that its rows name, and a manifest."""
