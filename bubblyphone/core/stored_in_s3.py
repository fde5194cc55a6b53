"""Files in an S3-compatible storage. A module of its own, as its library is installed only where it is used."""

from storages.backends.s3 import S3Storage

from bubblyphone.core.stored_files import WaitsAlone


class BucketStorage(WaitsAlone, S3Storage):  # type: ignore[misc]
    """A bucket."""
