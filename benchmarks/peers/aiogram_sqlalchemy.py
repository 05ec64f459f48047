"""An aiogram bot that commits each answer with SQLAlchemy before it replies, set up as both their docs show."""

import asyncio
import os
from typing import Any

from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.filters import CommandStart
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message
from aiogram.webhook.aiohttp_server import SimpleRequestHandler, setup_application
from aiohttp import web
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.peers.questions import CHOICES, DONE, N, by_button, question

KEYBOARD = InlineKeyboardMarkup(
    inline_keyboard=[[InlineKeyboardButton(text=text, callback_data=text)] for text in CHOICES]
)


class Base(DeclarativeBase):
    pass


class Conversation(Base):
    __tablename__ = "conversation"
    user: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int]


class Answer(Base):
    __tablename__ = "answer"
    user: Mapped[int] = mapped_column(primary_key=True)
    question: Mapped[int] = mapped_column(primary_key=True)
    words: Mapped[str]


engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['BENCH_DATA']}/form.db")
session = async_sessionmaker(engine)
dispatcher = Dispatcher()


@event.listens_for(engine.sync_engine, "connect")
def durable(connection: Any, _record: Any) -> None:
    """Durable against a power cut, as ours is."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}").close()


@dispatcher.message(CommandStart())
async def start(message: Message) -> None:
    async with session.begin() as db:
        await db.merge(Conversation(user=message.from_user.id, step=0))
    await ask(message, 0)


@dispatcher.message(F.text)
async def said(message: Message) -> None:
    await ask(message, await stored(message.from_user.id, message.text))


@dispatcher.callback_query()
async def tapped(query: CallbackQuery) -> None:
    await query.answer()
    await ask(query.message, await stored(query.from_user.id, query.data))


async def stored(user: int, words: str) -> int:
    async with session.begin() as db:
        conversation = await db.get_one(Conversation, user)
        db.add(Answer(user=user, question=conversation.step, words=words))
        conversation.step += 1
        return conversation.step


async def ask(message: Message, number: int) -> None:
    if number == N:
        await message.answer(DONE)
    else:
        await message.answer(question(number), reply_markup=KEYBOARD if by_button(number) else None)


async def main() -> None:
    async with engine.begin() as db:
        await db.run_sync(Base.metadata.create_all)
    api = AiohttpSession(api=TelegramAPIServer.from_base(os.environ["BENCH_API"]))
    bot = Bot(os.environ["BENCH_TOKEN"], session=api)
    if not os.environ["BENCH_PORT"]:
        await dispatcher.start_polling(bot)
        return
    port = int(os.environ["BENCH_PORT"])
    app = web.Application()
    SimpleRequestHandler(dispatcher, bot, secret_token="bench").register(app, path="/hook")
    setup_application(app, dispatcher, bot=bot)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await bot.set_webhook(f"http://127.0.0.1:{port}/hook", secret_token="bench")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
