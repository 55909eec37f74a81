"""Webhook: the API server asks it about new pods, and it answers with their sidecars (mesh.injection).

    app = admission_app(lambda: Options(image, authority.bundle().decode()))     # ASGI: POST /inject, GET /healthz
    await serve(app, listen(host, 15017), ssl_context(serving), stopped)         # HTTPS, certificate of mesh.identity
    tasks.create_task(Registration(api, name, authority.bundle).keep())          # its caBundle follows the roots
    tasks.create_task(Patrol(api, options).keep())                               # says which pods were missed
    webhook_configuration(...)                                                   # what an installation applies

Any number of replicas may answer; each keeps the one configuration object right. What is decided where: which pods are
asked about at all, and what happens when nobody answers, by `configuration`; the rest by `mesh.injection.judge`.
"""

from mesh.webhook.abilities import has_native_sleep
from mesh.webhook.configuration import NAME, Endpoint, webhook_configuration
from mesh.webhook.missed import Patrol
from mesh.webhook.registration import Registration
from mesh.webhook.reviews import Outcome, review
from mesh.webhook.server import admission_app, serve

__all__ = [
    "NAME",
    "Endpoint",
    "Outcome",
    "Patrol",
    "Registration",
    "admission_app",
    "has_native_sleep",
    "review",
    "serve",
    "webhook_configuration",
]
