"""Configurations for exports of known shape, to be named in ``signals.preset``."""

from pathlib import Path
from typing import Any

from replay import lenient_yaml
from replay.errors import ConfigError

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the presets."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def with_preset(raw: dict[str, Any]) -> dict[str, Any]:
    """Fill a configuration up with the preset that it names; its own keys and rules come first.

    Raises
    ------
    ConfigError
        There is no preset of this name.
    """
    signals = raw.get("signals")
    name = signals.get("preset") if isinstance(signals, dict) else None
    if name is None:
        return raw
    if name not in names():
        raise ConfigError(f"signals.preset: there is no {name!r}; known: {', '.join(names())}")
    preset = lenient_yaml.load_file(_FOLDER / f"{name}.yaml")
    assert isinstance(preset, dict)
    return _filled(raw, preset)


def _filled(own: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    filled = dict(own)
    for key, value in preset.items():
        if key not in own:
            filled[key] = value
        elif isinstance(value, dict) and isinstance(own[key], dict):
            filled[key] = _filled(own[key], value)
        elif isinstance(value, list) and isinstance(own[key], list):
            filled[key] = [*own[key], *value]
    return filled
