"""A port to listen on, taken before anything is said or opened. Next: `bot/serve.py`, and the stand-ins."""

import errno
import socket

from bot.errors import SettingError


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A socket that listens; 0 picks a free port. SettingError names `setting`: the port is taken or forbidden."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)  # who comes before all is ready waits a moment
    except OSError as error:
        listening.close()
        told = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had on {host}: {error.strerror}"
        raise SettingError(setting, f"{port} {told}", "use another") from error
    return listening
