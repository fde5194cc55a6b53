"""The version of this release: docs/upgrading.md says what its parts mean. CHANGELOG.md has a section for each."""

VERSION = "0.1.0"
