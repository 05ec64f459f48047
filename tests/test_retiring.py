"""The token was changed: addresses of the old bot are closed, and what waited there finds its way or is withdrawn."""

import sqlalchemy as sa

from bot.retiring import retire_bot
from storage import models as m
from storage import outbox
from storage.database import Database
from tests.season import World


def test_an_old_bot_is_retired(database: Database) -> None:
    world = World(database)
    world.execute(sa.update(m.Address).values(channel="telegram", bot="777"))
    world.link("An", "web")
    keys = {"An": (m.REMINDER, m.NOTICE, m.REPLY), "Hoa": (m.REMINDER, m.DIGEST)}
    with database.transaction() as db:
        at = {
            person: address
            for address, person in db.execute(
                sa.select(m.Address.id, m.Address.person_id).where(m.Address.bot == "777")
            )
        }
        for name, kinds in keys.items():
            for kind in kinds:
                person = world.ids[name]
                outbox.put(db, key=f"{name}:{kind}", kind=kind, address_id=at[person], now=world.now, person_id=person)
        claimed = sa.update(m.Outgoing).where(m.Outgoing.key == "Hoa:reminder")
        db.execute(claimed.values(state=m.CLAIMED, claimed_by="old"))
        lines = retire_bot(db, "777", world.now, "vi", None)
        again = retire_bot(db, "777", world.now, "vi", None)
    assert lines == [
        "Bot 777: đã đóng 8 liên kết, chuyển 2 tin sang kênh khác, thu hồi 2 tin.",
        "7 người phải liên kết lại: KM-0002, KM-0003, KM-0004, KM-0005, KM-0006, KM-0007, KM-0008. "
        "Tạo mã mới: kiemdiem invite",
    ]
    assert again == ["Bot 777: đã đóng 0 liên kết, chuyển 0 tin sang kênh khác, thu hồi 0 tin."]
    with database.transaction(read_only=True) as db:
        rows = db.execute(sa.select(m.Outgoing.key, m.Outgoing.state, m.Outgoing.sender).order_by(m.Outgoing.key))
        assert [tuple(row) for row in rows] == [
            ("An:notice", m.QUEUED, "web:"),
            ("An:reminder", m.QUEUED, "web:"),
            ("An:reply", m.WITHDRAWN, "telegram:777"),
            ("Hoa:digest", m.WITHDRAWN, "telegram:777"),
            ("Hoa:reminder", m.UNSURE, "telegram:777"),
        ]
        assert db.scalars(sa.select(m.Audit.action)).all() == ["bot.retired"]
