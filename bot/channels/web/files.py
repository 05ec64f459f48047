"""Documents by a signed link: a page with one button, and the file. Fetching the page gives nothing away."""

import structlog
from starlette.requests import Request
from starlette.responses import Response

from bot.channels.web.pages import page
from bot.channels.web.parts import Web
from bot.documents import NotTheirs
from handlers.texts import say

log = structlog.get_logger()

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


class Files:
    """What a link leads to. Whoever has it may take the file until it expires: a messenger's preview only sees the
    page, because a file is given to a pressed button alone."""

    def __init__(self, web: Web) -> None:
        self.web = web

    async def show(self, request: Request) -> Response:
        """The page with the button; where the link leads nowhere any more, how to get another."""
        if self.web.documents.opened(request.path_params["token"]) is None:
            return page("file.html", self.web.lang, 404, link=None)
        return page("file.html", self.web.lang, link=request.url.path)

    async def give(self, request: Request) -> Response:
        """The file itself."""
        found = self.web.documents.opened(request.path_params["token"])
        if found is None:
            return page("file.html", self.web.lang, 404, link=None)
        try:
            file = await self.web.documents.built(*found)
        except NotTheirs:
            return page("file.html", self.web.lang, 404, link=None)
        except Exception as error:  # a data key is missing, the database is away, it takes too long
            log.error("web.cannot_build", error=type(error).__name__)
            problem = say(self.web.lang, "web.file_not_now")
            return page("file.html", self.web.lang, 503, link=request.url.path, problem=problem)
        headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
        return Response(file.data, headers=headers, media_type=DOCX)
