"""The connection to an API server: where it is, whom it trusts, who we are. Neighbour: api.

All of it is the `kubernetes` library's: kubeconfig with its exec plugins, the pod's own token (which is read again when
it has been renewed), certificates.
"""

from __future__ import annotations

import os

from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException

from delivery.errors import Rejected

CONNECTIONS = 32  # kept open: watches hold theirs
USER_AGENT = "colorlane"


def connect(kubeconfig: str = "") -> client.ApiClient:
    """Return a client. `kubeconfig`: a file; empty: the cluster we run in, else the user's own configuration.

    Raises Rejected when there is none.
    """
    found = client.Configuration()
    try:
        if kubeconfig or "KUBERNETES_SERVICE_HOST" not in os.environ:
            config.load_kube_config(config_file=kubeconfig or None, client_configuration=found)
        else:
            config.load_incluster_config(client_configuration=found)
    except (ConfigException, OSError) as error:
        raise Rejected(
            f"there is no way to a Kubernetes cluster: {error}",
            field="COLORLANE_KUBECONFIG",
            value=kubeconfig,
            remedy="set COLORLANE_KUBECONFIG to a kubeconfig file, or run in a pod with a ServiceAccount token",
        ) from error
    found.connection_pool_maxsize = CONNECTIONS
    connected = client.ApiClient(found)
    connected.user_agent = USER_AGENT
    return connected
