"""The pages and what they are made of: templates, words, style and script."""

import gzip
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from handlers.texts import texts

HERE = Path(__file__).parent
KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"


@cache
def files() -> dict[str, tuple[bytes, bytes, str]]:
    """Every static file by its name: its bytes, the same compressed, and the version that stands in its address."""
    found = {}
    for file in sorted((HERE / "static").iterdir()):
        content = file.read_bytes()
        found[file.name] = (content, gzip.compress(content, mtime=0), sha256(content).hexdigest()[:10])
    return found


def address(name: str) -> str:
    """Where a page finds a static file: another address as soon as the file is another."""
    return f"/static/{name}?v={files()[name][2]}"


async def static(request: Request) -> Response:
    """A static file. The address with the right version may be kept for ever."""
    name = request.path_params["name"]
    if name not in files():
        raise HTTPException(404)
    content, small, version = files()[name]
    headers = {"Vary": "Accept-Encoding"}
    headers["Cache-Control"] = FOR_EVER if request.query_params.get("v") == version else "no-cache"
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = small, "gzip"
    return Response(content, headers=headers, media_type=KINDS[Path(name).suffix])


@cache
def environment() -> Environment:
    """Jinja with escaping on; a name that is missing is an error."""
    made = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)
    made.trim_blocks = made.lstrip_blocks = True
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    made.globals["static"] = address
    return made


def words(lang: str, table: str) -> dict[str, str]:
    """The texts of one table by their short key."""
    return {key.removeprefix(f"{table}."): text for key, text in texts(lang).items() if key.startswith(f"{table}.")}


def page(template: str, lang: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page in a language; ``t`` in it are the texts of [web]."""
    html = environment().get_template(template).render(lang=lang, t=words(lang, "web"), **values)
    return HTMLResponse(html, status)
