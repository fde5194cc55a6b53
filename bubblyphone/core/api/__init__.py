"""Shared by the API of all apps: requests, responses, and their OpenAPI description."""
