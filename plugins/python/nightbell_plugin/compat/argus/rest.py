"""`rest_framework.exceptions`, as far as media use it, for environments that do not have it."""

from __future__ import annotations

from typing import Any


class APIException(Exception):
    """Something that is told to whoever asked."""

    status_code = 500

    def __init__(self, detail: Any = None, code: Any = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code


class ValidationError(APIException):
    """What was given is wrong."""

    status_code = 400
