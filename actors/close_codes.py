"""The close codes of WebSockets that Parlour sends or reads, by name.

From RFC 6455 section 7.4.1 and the registry that it set up.
"""

from __future__ import annotations

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
NO_STATUS = 1005  # never sent: a close frame without a code
ABNORMAL = 1006  # never sent: the connection was lost
INVALID_TEXT = 1007
TOO_BIG = 1009
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013
BAD_GATEWAY = 1014
