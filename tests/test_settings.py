"""Settings: everything that is wrong is said at once, and a secret never shows itself."""

from pathlib import Path

import pytest

from bot.settings import Secret, WrongSettings, load


def test_without_any_setting_the_defaults_hold() -> None:
    chosen = load({})
    assert (chosen.database_url, chosen.zone.key, chosen.lang) == ("sqlite:///kiemdiem.db", "Asia/Ho_Chi_Minh", "vi")


def test_everything_that_is_wrong_is_said_at_once_without_its_value() -> None:
    with pytest.raises(WrongSettings) as wrong:
        load(
            {
                "KIEMDIEM_PORT": "eighty",
                "KIEMDIEM_LANG": "fr",
                "KIEMDIEM_TIMEZONE": "Mars/Olympus",
                "KIEMDIEM_TELEGRAM_TOKEN": "s3cret",
                "KIEMDIEM_DATA_KEY": "abc",
                "KIEMDIEM_SECRTE_KEY": "s3cret",
            }
        )
    said = str(wrong.value)
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "KIEMDIEM_PORT",
        "KIEMDIEM_SECRTE_KEY",
        "KIEMDIEM_TIMEZONE",
        "KIEMDIEM_LANG",
        "KIEMDIEM_DATA_KEY",
        "KIEMDIEM_TELEGRAM_TOKEN",
    ]
    assert "s3cret" not in said


def test_a_secret_may_stand_in_a_file_or_a_credential(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("123:abc\n", "utf-8")
    (tmp_path / "kiemdiem_secret_key").write_text("key", "utf-8")
    chosen = load({"KIEMDIEM_TELEGRAM_TOKEN_FILE": str(file), "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert (chosen.telegram_token.reveal(), chosen.secret_key.reveal()) == ("123:abc", "key")
    with pytest.raises(WrongSettings, match="KIEMDIEM_TELEGRAM_TOKEN_FILE"):
        load({"KIEMDIEM_TELEGRAM_TOKEN_FILE": str(tmp_path / "none")})


def test_a_secret_never_shows_itself() -> None:
    secret = Secret("s3cret")
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r}",
        repr(load({"KIEMDIEM_SECRET_KEY": secret.reveal()})),
    ]
    assert all("s3cret" not in each for each in shown)
    assert secret.reveal() == "s3cret"


def test_data_keys_are_read_newest_first() -> None:
    assert load({"KIEMDIEM_DATA_KEY": f"{'11' * 32}, {'22' * 32}"}).data_keys == [b"\x11" * 32, b"\x22" * 32]
