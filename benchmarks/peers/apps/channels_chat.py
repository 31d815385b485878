"""Django Channels with channels_redis: the asynchronous chat of its tutorial, without pages."""

import os

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only for the loopback",
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
        }
    },
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 - wants the settings
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data=text_data)


class Fanout(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.group = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        message = {"type": "chat.message", "message": text_data}
        await self.channel_layer.group_send(self.group, message)

    async def chat_message(self, event: dict[str, str]) -> None:
        await self.send(text_data=event["message"])


app = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [
                path("parties/echo/<room>", Echo.as_asgi()),
                path("parties/echoshared/<room>", Echo.as_asgi()),
                path("parties/fanout/<room>", Fanout.as_asgi()),
            ]
        )
    }
)
