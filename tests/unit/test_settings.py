"""Settings: secrets from files, names that are none, and safety that is used or refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from stream_app.settings import Settings, kafka_options, redis_options
from stream_app.settings_sources import SecretFileError, unknown, unknown_in_file

SECRET = "planted-Zq7"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [each for each in os.environ if each.startswith("BESS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_comes_from_the_file_that_a_variable_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str
) -> None:
    (tmp_path / "secret").write_bytes(f" {SECRET} {ending}".encode())
    monkeypatch.setenv("BESS_REDIS_PASSWORD_FILE", str(tmp_path / "secret"))

    settings = Settings()

    assert redis_options(settings)["password"] == f" {SECRET} "
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read"), (b"", "empty"), (b"\xff", "no text"), (b"x" * 70_000, "too large")],
)
def test_a_secret_file_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("BESS_SASL_PASSWORD_FILE", str(tmp_path / "secret"))

    with pytest.raises(SecretFileError, match=f"BESS_SASL_PASSWORD_FILE.*{told}"):
        Settings()


def test_a_secret_may_not_be_given_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.setenv("BESS_REDIS_PASSWORD_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("BESS_REDIS_PASSWORD", SECRET)

    with pytest.raises(SecretFileError, match="both set") as refused:
        Settings()

    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}/x@host:6379/0",
        f"redis://:{SECRET}#x@host:6379/0",
        f"redis://user:12?{SECRET}@host:6379/0",
        f"redis://user:12/{SECRET}@host",
        f"http://:{SECRET}@host",
        SECRET,
    ],
)
def test_a_url_of_redis_that_could_be_read_in_two_ways_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValidationError, match="BESS_REDIS_PASSWORD_FILE") as refused:
        Settings.model_validate({"redis_url": url})

    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "rediss://user:a%2Fb@redis.example:6380/1?ssl_cert_reqs=required",
        "redis://:p@ss@host:6379",
        "redis://[::1]:6379/0",
        "unix:///run/redis.sock?db=0",
    ],
)
def test_a_clear_url_of_redis_is_taken(url: str) -> None:
    assert redis_options(Settings.model_validate({"redis_url": url}))["url"] == url


NAMED = {"sasl_username": "worker", "sasl_password": SECRET}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (NAMED, "set both and SASL_SSL"),
        (NAMED | {"security_protocol": "SSL"}, "set both and SASL_SSL"),
        ({"security_protocol": "SASL_SSL"}, "set both and SASL_SSL"),
        ({"security_protocol": "SASL_SSL", "sasl_password": SECRET}, "set both and SASL_SSL"),
        ({"ssl_cafile": __file__}, "has no TLS"),
        ({"ssl_certfile": __file__}, "has no TLS"),
        (NAMED | {"security_protocol": "SASL_PLAINTEXT", "ssl_cafile": __file__}, "has no TLS"),
        ({"security_protocol": "SSL", "ssl_cafile": __file__}, "must be PEM"),
        ({"security_protocol": "SSL", "ssl_certfile": __file__}, "must be PEM"),
        ({"security_protocol": "SSL", "ssl_cafile": "none.pem"}, "does not point to a file"),
        ({"redis_cafile": __file__}, "not rediss"),
    ],
)
def test_safety_that_would_not_be_used_is_refused(given: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        Settings.model_validate(given)

    assert SECRET not in str(refused.value)


def test_tls_checks_the_brokers_and_their_names() -> None:
    context = kafka_options(Settings.model_validate({"security_protocol": "SSL"}))["ssl_context"]

    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("BESS_BROKER", "BESS_BROKER is no setting; did you mean BESS_BROKERS?"),
        ("bess_partition", "BESS_PARTITION is no setting; did you mean BESS_PARTITIONS?"),
        ("BESS_SASL_PASWORD_FILE", "did you mean BESS_SASL_PASSWORD_FILE?"),
        ("BESS_PREFIX_FILE", "BESS_PREFIX_FILE is no setting"),
        ("BESS_QQQQ", "BESS_QQQQ is no setting"),
    ],
)
def test_a_misspelt_variable_is_told_with_the_nearest_name(name: str, told: str) -> None:
    (remark,) = unknown({name: SECRET}, Settings.model_fields)

    assert told in remark
    assert SECRET not in remark


def test_variables_that_are_known_are_not_remarked_upon() -> None:
    known = ("BESS_BROKERS", "bess_prefix", "BESS_REDIS_URL_FILE", "BESS_LOCAL_DIR", "HOME")

    assert unknown(dict.fromkeys(known, ""), Settings.model_fields) == []


def test_a_misspelt_name_in_the_file_of_settings_is_told() -> None:
    (remark,) = unknown_in_file(["prefix", "broker"], Settings.model_fields)

    assert remark == "bess.toml: broker is no setting; did you mean brokers?"
