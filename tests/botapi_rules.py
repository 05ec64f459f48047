"""What the Bot API accepts: the parameters of each method we use, by the tables of its documentation."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.botapi_user import keyboard

TABLE = json.loads((Path(__file__).parent / "data/botapi.json").read_text())
METHODS: dict[str, dict[str, str]] = TABLE["methods"]
TYPES: dict[str, dict[str, str]] = TABLE["types"]
ACTIONS = {"url", "callback_data", "web_app", "login_url", "copy_text", "callback_game", "pay", "disabled"}


@dataclass(frozen=True)
class File:
    """An upload."""

    name: str
    content: bytes


def typed(method: str, name: str, text: str) -> Any:
    """A parameter that came as text (in a form) as the JSON that the table asks for."""
    kinds = METHODS[method].get(name, "String").rstrip("!").split("|")
    if "Integer" in kinds and text.lstrip("-").isdecimal():
        return int(text)
    return text if "String" in kinds else json.loads(text)


def wrong(method: str, parameters: dict[str, Any]) -> str | None:
    """What the Bot API would object to in this call; None where nothing."""
    if found := _fields(method, METHODS[method], parameters):
        return found
    match method, parameters:
        case "sendMessage", {"text": text} if not text.strip():
            return "message text is empty"
        case "sendMessage", {"text": text} if _units(text) > 4096:
            return "message is too long"
        case "sendDocument", {"caption": text} if _units(text) > 1024:
            return "message caption is too long"
        case "sendDocument", {"document": File(content=content)} if not 0 < len(content) <= 50 * 2**20:
            return "file must be non-empty and at most 50 MB"
        case "getUpdates", {"timeout": int(seconds)} if not 0 <= seconds <= 50:
            return "timeout is 0 to 50 seconds"
        case "setWebhook", {"url": url} if not re.match(r"https://|http://127\.0\.0\.1[:/]|$", url):
            return "bad webhook: an HTTPS URL must be provided"
        case "setWebhook", {"secret_token": secret} if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            return "secret token contains unallowed characters"
        case "setWebhook", {"max_connections": int(many)} if not 1 <= many <= 100:
            return "max_connections is 1 to 100"
        case "setMyCommands", {"commands": commands}:
            for command in commands:
                if (
                    not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"])
                    or not 1 <= len(command["description"]) <= 256
                ):
                    return f"invalid command {command['command']}"
    return next(filter(None, (_button(b) for row in keyboard(parameters) for b in row)), None)


def _button(button: dict[str, str]) -> str | None:
    if len(ACTIONS & button.keys()) != 1:
        return "a button has exactly one action"
    if not button["text"].strip():
        return "text buttons are unallowed to be empty"
    if not 1 <= len(button.get("callback_data", "x").encode()) <= 64:
        return "BUTTON_DATA_INVALID"
    return None


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _fields(where: str, fields: dict[str, str], values: dict[str, Any]) -> str | None:
    for name in values:
        if name not in fields:
            return f"{where}: unknown {name}"
    for name, kind in fields.items():
        if name in values:
            found = [_kind(f"{where}.{name}", one, values[name]) for one in kind.rstrip("!").split("|")]
            if all(found):
                return found[0]
        elif kind.endswith("!"):
            return f"{where}: {name} is missing"
    return None


def _kind(where: str, kind: str, value: Any) -> str | None:
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            return f"{where} is not an array"
        return next(filter(None, (_kind(where, kind.removeprefix("Array of "), one) for one in value)), None)
    if kind in TYPES:
        return _fields(where, TYPES[kind], value) if isinstance(value, dict) else f"{where} is not a {kind}"
    plain = {"Integer": int, "String": str, "Boolean": bool, "InputFile": File}.get(kind, ())
    if not isinstance(value, plain) or (kind == "Integer" and isinstance(value, bool)):
        return f"{where} is not a {kind}"
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        return "strings must be encoded in UTF-8"
    return None
