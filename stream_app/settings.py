"""Settings of a deployment: environment variables ``BESS_...`` or a TOML file, checked at start."""

import ssl
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from stream_app.settings_sources import SecretFiles

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$")]


class Settings(BaseSettings):
    """What a worker or tool must know of its deployment; every field is ``BESS_<FIELD>``.

    The environment wins over the file ``bess.toml`` of the working directory. A secret may stand in
    a file of its own, which ``BESS_<FIELD>_FILE`` names.
    """

    model_config = SettingsConfigDict(
        env_prefix="BESS_",
        frozen=True,
        extra="ignore",
        toml_file="bess.toml",
        hide_input_in_errors=True,
    )

    brokers: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port,...")
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis that shows the state; rediss:// for TLS",
    )
    redis_password: SecretStr | None = Field(
        None, description="password of Redis, if not in its URL"
    )
    redis_cafile: FilePath | None = Field(None, description="CA of a Redis with TLS, PEM")
    prefix: Name = Field("bess", description="start of every topic, Redis key and group name")
    partitions: int = Field(
        16, ge=1, le=256, description="partitions of telemetry and state; never changed in place"
    )
    replication: int = Field(1, ge=1, le=5, description="replicas of the topics that are created")
    metrics_host: str = Field("127.0.0.1", description="address that /metrics listens on")
    metrics_port: int = Field(
        9808, ge=0, le=65535, description="port of /metrics; 0 picks a free one"
    )
    chunk_records: int = Field(
        10_000, ge=1, le=100_000, description="records folded in one transaction at most"
    )
    chunk_bytes: int = Field(
        4 << 20, ge=1024, description="bytes of records folded in one transaction, about, at most"
    )
    fetch_bytes: int = Field(
        1 << 20, ge=1024, description="bytes fetched of a partition at once, as compressed"
    )
    session_timeout_s: float = Field(
        10.0,
        ge=1.0,
        le=300.0,
        description="silence after which the broker gives a worker's work away",
    )
    heartbeat_s: float = Field(
        30.0, ge=0, le=3600, description="time between heartbeats of live, silent blocks; 0: none"
    )
    delivery: Literal["exactly_once", "at_least_once"] = Field(
        "exactly_once",
        description="at_least_once has no transactions: after a crash outputs may repeat",
    )
    instance: Name | None = Field(
        None, description="fixed name of this worker slot: a restart then moves no partitions"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="SSL is TLS; SASL asks for name and password"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="how name and password are sent to the brokers"
    )
    sasl_username: str | None = Field(None, description="name at the brokers")
    sasl_password: SecretStr | None = Field(None, description="password at the brokers")
    ssl_cafile: FilePath | None = Field(
        None, description="CA of the brokers, PEM; without it those of the system"
    )
    ssl_certfile: FilePath | None = Field(None, description="certificate of this client, PEM")
    ssl_keyfile: FilePath | None = Field(None, description="its private key, PEM")
    ssl_key_password: SecretStr | None = Field(None, description="password of the private key")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least grave lines of the log"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="of the log; auto: console on a terminal, else json"
    )

    @property
    def app_id(self) -> str:
        """Consumer group, and start of the transactional ids."""
        return f"{self.prefix}.energy"

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_clear(cls, url: SecretStr) -> SecretStr:
        """An unescaped character of a password would make a part of it the host or the port."""
        text = url.get_secret_value()
        try:
            parts = urlsplit(text)
            clear = parts.port is None or parts.port > 0
        except ValueError:
            clear = False
        rest = text.partition("://")[2]
        after = rest[len(parts.netloc) :] if clear else "@"
        if "@" in after or parts.scheme not in ("redis", "rediss", "unix"):
            raise ValueError(
                "this is no URL such as redis://host:6379/0 or rediss://host:6379/0; write what is "
                "special in a password as %XX, or use BESS_REDIS_PASSWORD_FILE"
            )
        return url

    @model_validator(mode="after")
    def _security_fits(self) -> Self:
        """What was set for safety is used, or the settings are refused."""
        named = [self.sasl_username, self.sasl_password]
        files = [self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile]
        protocol = f"BESS_SECURITY_PROTOCOL={self.security_protocol}"
        if self.security_protocol.startswith("SASL") != any(named) or any(named) != all(named):
            raise ValueError(
                f"{protocol} with BESS_SASL_USERNAME and BESS_SASL_PASSWORD: set both and SASL_SSL "
                "(or SASL_PLAINTEXT), or none of them"
            )
        if any(files) and not self.security_protocol.endswith("SSL"):
            raise ValueError(f"{protocol} has no TLS, but BESS_SSL_... is set: set SSL or SASL_SSL")
        if self.redis_cafile and not self.redis_url.get_secret_value().startswith("rediss:"):
            raise ValueError("BESS_REDIS_CAFILE is set, but BESS_REDIS_URL is not rediss://...")
        if self.security_protocol.endswith("SSL"):
            _tls_context(self)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, SecretFiles(settings_cls), toml


def kafka_options(settings: Settings) -> dict[str, Any]:
    """The part of every aiokafka client's options that comes from the settings."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.brokers,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.startswith("SASL"):
        password = settings.sasl_password
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = password.get_secret_value() if password else None
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = _tls_context(settings)
    return options


def redis_options(settings: Settings) -> dict[str, Any]:
    """Arguments of ``Redis.from_url`` that come from the settings."""
    options: dict[str, Any] = {"url": settings.redis_url.get_secret_value()}
    if options["url"].startswith("rediss:"):
        options["ssl_check_hostname"] = True
    if settings.redis_password:
        options["password"] = settings.redis_password.get_secret_value()
    if settings.redis_cafile:
        options["ssl_ca_certs"] = str(settings.redis_cafile)
    return options


def _tls_context(settings: Settings) -> ssl.SSLContext:
    """TLS 1.2 or newer; the broker's certificate and its name are checked."""
    password = settings.ssl_key_password
    try:
        context = ssl.create_default_context(cafile=settings.ssl_cafile)
        if settings.ssl_certfile:
            # Without any password OpenSSL would ask for one at the terminal.
            text = password.get_secret_value() if password else ""
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, text)
    except (OSError, ValueError):
        raise ValueError(
            "the files for TLS cannot be used: BESS_SSL_CAFILE, BESS_SSL_CERTFILE and "
            "BESS_SSL_KEYFILE must be PEM and belong together, BESS_SSL_KEY_PASSWORD be the key's"
        ) from None
    return context
