"""Kafka and Redis for this machine: given ones, containers, or processes without Docker.

`endpoints` gives any pair that works; `LocalStack` a pair of one's own that can be killed.
"""

from deploy.local.endpoints import Endpoints
from deploy.local.process import LocalServiceError, Say, Server
from deploy.local.stack import LocalStack, endpoints

__all__ = ["Endpoints", "LocalServiceError", "LocalStack", "Say", "Server", "endpoints"]
