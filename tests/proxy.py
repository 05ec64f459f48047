"""A reverse proxy that hands each request to the next of several servers, as in front of several web processes."""

import itertools
from typing import Self

import aiohttp
from aiohttp import web


class RoundRobin:
    """`async with RoundRobin(8001, 8002) as proxy`: `proxy.url` is where it listens."""

    def __init__(self, *ports: int) -> None:
        self.next = itertools.cycle(ports)

    async def _pass(self, request: web.Request) -> web.Response:
        url = f"http://127.0.0.1:{next(self.next)}{request.path_qs}"
        headers = {name: value for name, value in request.headers.items() if name.startswith(("X-", "Content-Type"))}
        try:
            async with self.client.request(request.method, url, headers=headers, data=await request.read()) as answer:
                return web.Response(status=answer.status, body=await answer.read())
        except aiohttp.ClientError:
            return web.Response(status=502)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        self.client = aiohttp.ClientSession()
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = site.name
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.client.close()
        await self.runner.cleanup()
