"""Holds requests and answers against Twilio's own description of its API, where that file is at hand.

`openapi-core` checks types, patterns and answers; it lets misspelt fields pass, so their names are compared here.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from bot.channels.fakes.serving import Answer, Exchange, Request

SHARED = os.environ.get("HUIFANG_SHARED_DATA", "")
needs_description = pytest.mark.skipif(
    not SHARED, reason="HUIFANG_SHARED_DATA names no folder with the shared data (twilio_trim.json)"
)
MESSAGES = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
MESSAGE = "/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json"
NUMBERS = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json"


@cache
def description() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(SHARED) / "twilio_trim.json").read_text(encoding="utf-8"))
    return content


@cache
def _api() -> OpenAPI:
    return OpenAPI.from_dict(description())


def form_fields(path: str) -> set[str]:
    """Names of the fields that may be posted there."""
    body = description()["paths"][path]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
    return set(body["schema"]["properties"])


def query_fields(path: str) -> set[str]:
    """Names of the parameters that a list takes."""
    return {each["name"] for each in description()["paths"][path]["get"]["parameters"] if each["in"] == "query"}


def resource_fields(name: str) -> set[str]:
    """Names of the properties of a resource."""
    return set(description()["components"]["schemas"][f"api.v2010.account.{name}"]["properties"])


class Official:
    """Collects what does not fit the description; `inspect` is handed to the fake."""

    def __init__(self) -> None:
        self.seen = 0
        self.wrong: list[str] = []

    def inspect(self, exchange: Exchange) -> None:
        self.seen += 1
        request, answer = exchange.request, exchange.answer
        official = _official_request(request)
        if answer.status < 400:
            self._note(request, _api().iter_request_errors(official))
            self._note(request, _api().iter_response_errors(official, _official_response(answer)))
        elif set(json.loads(answer.body)) != {"code", "message", "more_info", "status"}:
            self.wrong.append(f"{request.method} {request.path}: no error of Twilio's")
        self.wrong += [f"{request.method} {request.path}: no field {name}" for name in sorted(misspelt(request))]

    def _note(self, request: Request, errors: Any) -> None:
        self.wrong += [f"{request.method} {request.path}: {error} {error.__cause__ or ''}" for error in errors]


def misspelt(request: Request) -> set[str]:
    """Fields of the request that the description does not have."""
    path = _template(request.path)
    if request.method == "POST":
        return {name for name, _ in request.form} - form_fields(path)
    if request.method == "GET" and path != MESSAGE:
        return {name for name, _ in request.query} - query_fields(path)
    return set()


def _template(path: str) -> str:
    if path.endswith("/Messages.json"):
        return MESSAGES
    return NUMBERS if path.endswith("/IncomingPhoneNumbers.json") else MESSAGE


def _official_request(request: Request) -> MockRequest:
    headers: Mapping[str, str] = {name.title(): value for name, value in request.headers.items()}
    return MockRequest(
        "https://api.twilio.com",
        request.method.lower(),
        request.path,
        args=dict(request.query),
        headers=dict(headers),
        data=request.body or None,
        content_type=request.headers.get("content-type", "").partition(";")[0],
    )


def _official_response(answer: Answer) -> MockResponse:
    return MockResponse(answer.body, status_code=answer.status, content_type=answer.media_type)
