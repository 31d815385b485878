"""A Django project in one module: views that are `def` and `async def`, forms, files, sessions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path

SETTINGS = {
    "ALLOWED_HOSTS": ["*"],
    "INSTALLED_APPS": ["django.contrib.sessions"],
    "MIDDLEWARE": [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    "ROOT_URLCONF": __name__,
    "SECRET_KEY": "of a test",
    "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
}


def make_app() -> Any:
    """What `mysite/asgi.py` of a Django project does."""
    from django.core.asgi import get_asgi_application

    if not settings.configured:
        settings.configure(**SETTINGS)
    return get_asgi_application()


def visit(request: HttpRequest) -> JsonResponse:
    """Counts visits in a session."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse(
        {
            "visits": request.session["visits"],
            "url": request.build_absolute_uri(),
            "from": request.META["REMOTE_ADDR"],
            "key": request.scope["state"]["env"]["GREETING"],
        }
    )


async def upload(request: HttpRequest) -> JsonResponse:
    """Tells what came in a form."""
    files = {name: [file.name, file.size] for name, file in request.FILES.items()}
    return JsonResponse({"fields": request.POST.dict(), "files": files})


async def count(request: HttpRequest) -> StreamingHttpResponse:
    """A body in pieces."""

    async def pieces() -> AsyncIterator[str]:
        for number in range(3):
            yield json.dumps(number)

    return StreamingHttpResponse(pieces())


def fail(request: HttpRequest) -> JsonResponse:
    """A defect of the site's."""
    raise RuntimeError("secret")


urlpatterns = [
    path("visit/", visit),
    path("upload/", upload),
    path("count/", count),
    path("fail/", fail),
]
