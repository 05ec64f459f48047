"""python-telegram-bot's own recipe (its persistentconversationbot): a ConversationHandler kept by PicklePersistence."""

import os
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.ext import (
    ApplicationBuilder,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    ConversationHandler,
    MessageHandler,
    PicklePersistence,
    filters,
)

from benchmarks.peers.questions import CHOICES, DONE, N, by_button, question

Context = ContextTypes.DEFAULT_TYPE
KEYBOARD = InlineKeyboardMarkup([[InlineKeyboardButton(text, callback_data=text)] for text in CHOICES])


async def start(update: Update, context: Context) -> int:
    context.user_data.clear()
    return await ask(update, 0)


async def answer(update: Update, context: Context) -> int:
    number = len(context.user_data)
    if query := update.callback_query:
        await query.answer()
        context.user_data[number] = query.data
    else:
        context.user_data[number] = update.message.text
    return await ask(update, number + 1)


async def ask(update: Update, number: int) -> int:
    if number == N:
        await update.effective_message.reply_text(DONE)
        return ConversationHandler.END
    await update.effective_message.reply_text(question(number), reply_markup=KEYBOARD if by_button(number) else None)
    return number


def state(number: int) -> list[Any]:
    if by_button(number):
        return [CallbackQueryHandler(answer)]
    return [MessageHandler(filters.TEXT & ~filters.COMMAND, answer)]


def main() -> None:
    persistence = PicklePersistence(os.path.join(os.environ["BENCH_DATA"], "state"))
    app = (
        ApplicationBuilder()
        .token(os.environ["BENCH_TOKEN"])
        .base_url(os.environ["BENCH_API"] + "/bot")
        .persistence(persistence)
        .build()
    )
    began = CommandHandler("start", start)
    states = {number: state(number) for number in range(N)}
    app.add_handler(ConversationHandler([began], states, [began], name="form", persistent=True))
    if port := os.environ["BENCH_PORT"]:
        url = f"http://127.0.0.1:{port}/hook"
        app.run_webhook("127.0.0.1", int(port), url_path="hook", webhook_url=url, secret_token="bench")
    else:
        app.run_polling()


if __name__ == "__main__":
    main()
