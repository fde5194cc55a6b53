"""Storage of private files: on disk, or in an S3-compatible storage (STORAGE_URL)."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SCHEMES = {"s3": "https", "s3+http": "http"}


def private_storage(folder: str, data_dir: Path, url: str) -> dict[str, Any]:
    """An entry of STORAGES. Without an address it is a folder of DATA_DIR that only we can read.

    `s3://KEY:SECRET@s3.eu-central-1.amazonaws.com/bucket/prefix?region=eu-central-1`; without KEY and SECRET boto3 looks for them
    where it always does; `s3+http://` is not encrypted. Raises ImproperlyConfigured.
    """
    if not url:
        options = {"location": data_dir / folder, "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
        return {"BACKEND": "bubblyphone.core.files.disk_storage.DiskStorage", "OPTIONS": options}
    parts = urlsplit(url)
    bucket, _, prefix = parts.path.strip("/").partition("/")
    if parts.scheme not in SCHEMES or not parts.hostname or not bucket:
        raise ImproperlyConfigured("STORAGE_URL must be like s3://KEY:SECRET@s3.example.com/bucket")
    port = f":{parts.port}" if parts.port else ""
    options = {
        "bucket_name": bucket,
        "location": f"{prefix}/{folder}".strip("/"),
        "endpoint_url": f"{SCHEMES[parts.scheme]}://{parts.hostname}{port}",
        "access_key": unquote(parts.username) if parts.username else None,
        "secret_key": unquote(parts.password) if parts.password else None,
        "region_name": parse_qs(parts.query).get("region", [None])[0],
        "file_overwrite": False,
    }
    return {"BACKEND": "bubblyphone.core.files.s3_storage.BucketStorage", "OPTIONS": options}
