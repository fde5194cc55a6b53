"""Passwords that attackers try first. Any other password of 8 to 128 characters is accepted."""

from unicodedata import normalize

from django.core.exceptions import ValidationError

# The most frequent leaked passwords of at least 8 characters.
_WORST_TEXT = """
    password password1 password12 password123 passw0rd p@ssw0rd p@ssword 12345678 123456789 1234567890 0123456789 87654321
    987654321 0987654321 11111111 00000000 88888888 99999999 123123123 12341234 11223344 12344321 1q2w3e4r 1q2w3e4r5t
    1qaz2wsx qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 asdfghjk asdfghjkl zxcvbnm1 abcd1234 abc12345 abcdefgh
    a1b2c3d4 aa123456 iloveyou iloveyou1 sunshine princess football baseball superman batman123 welcome1 welcome123 letmein1
    letmein123 admin123 admin1234 administrator changeme changeme1 trustno1 whatever starwars computer internet jennifer
    michelle
"""
_WORST = frozenset(_WORST_TEXT.split())


def refuse_common(password: str) -> None:
    """A validator for fields. Raises ValidationError."""
    if normalize("NFKC", password).casefold() in _WORST:
        raise ValidationError("This password is too common. Choose a different one.")


class CommonPasswordValidator:
    """The same for Django's own forms and createsuperuser."""

    def validate(self, password: str, user: object = None) -> None:
        refuse_common(password)

    def get_help_text(self) -> str:
        return "Your password can\u2019t be a commonly used one."
