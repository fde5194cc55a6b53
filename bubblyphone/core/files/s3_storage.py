"""Files in an S3-compatible storage. A separate module, because its library is only installed where it is used."""

from typing import Any

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

from bubblyphone.core.files.disk_storage import WaitsAlone

# botocore's own are 60 s each and five attempts: longer than anyone waits for a page.
_PATIENCE = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2, "mode": "standard"})


class BucketStorage(WaitsAlone, S3Storage):  # type: ignore[misc]
    """A bucket."""

    failures = (BotoCoreError, ClientError, Boto3Error)
    client_config: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_config = self.client_config.merge(_PATIENCE)
