"""HTTP goes to Django; WebSockets go to the live parts of calls and sandbox."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bubblyphone.settings")
django_application = get_asgi_application()

# Models can be imported only now.
from calls.routing import websocket_urlpatterns as call_sockets  # noqa: E402
from sandbox.routing import websocket_urlpatterns as sandbox_sockets  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": URLRouter([*call_sockets, *sandbox_sockets]),
    }
)
