"""Grafana dashboards, built from Python: ``python -m deploy.grafana``."""

from deploy.grafana.build import FOLDER, render_all, stale

__all__ = ["FOLDER", "render_all", "stale"]
