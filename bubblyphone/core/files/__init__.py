"""Storage on disk and in S3, and archives created while they are sent."""
