"""Shared by the pages of all apps: views, filters, charts."""
