"""Settings of a deployment: environment variables ``BESS_...`` or a TOML file, checked at start."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$")]


class Settings(BaseSettings):
    """What a worker or tool must know of its deployment; every field is ``BESS_<FIELD>``.

    The environment wins over the file ``bess.toml`` of the working directory.
    """

    model_config = SettingsConfigDict(
        env_prefix="BESS_", frozen=True, extra="ignore", toml_file="bess.toml"
    )

    brokers: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port,...")
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), description="Redis that shows the state"
    )
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
        2 << 20, ge=1024, description="bytes of records folded in one transaction, about, at most"
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
    delivery: Literal["exactly_once", "at_least_once"] = Field(
        "exactly_once",
        description="at_least_once has no transactions: after a crash outputs may repeat",
    )
    instance: Name | None = Field(
        None, description="fixed name of this worker slot: a restart then moves no partitions"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = Field(None, description="CA of the brokers")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"

    @property
    def app_id(self) -> str:
        """Consumer group, and start of the transactional ids."""
        return f"{self.prefix}.energy"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, file_secret_settings, toml


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
        from aiokafka.helpers import create_ssl_context  # noqa: PLC0415 - only where TLS is used

        cafile = str(settings.ssl_cafile) if settings.ssl_cafile else None
        options["ssl_context"] = create_ssl_context(cafile=cafile)
    return options
