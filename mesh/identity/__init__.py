"""Identity: the mesh's own certificate authority, and certificates that renew themselves. Used by the mesh's servers.

    authority = await Authority.open(FileVault(path) or SecretVault(api_server, namespace))
    serving = ServingCertificate(authority.keyring, mesh_names("colorlane-mesh", "colorlane"))
    tasks.create_task(authority.keep())              # follows the vault; renews the root years before its end
    server.add_secure_port(address, grpc_credentials(serving))
    uvicorn.Config(app).ssl = ssl_context(serving)   # both take a renewed certificate at the next handshake
    serving.current()                                # cert_pem, key_pem, bundle_pem as of now
    authority.bundle()                               # PEM of all roots: what clients trust

Nothing here must be restarted for a certificate: serving certificates live a day and are replaced after two thirds of
it; roots live ten years, and the next one is in the bundle for a third of that time before it signs anything.
"""

from mesh.identity.authority import Authority, Vault
from mesh.identity.keyring import Keyring, Root
from mesh.identity.serving import Issued, ServingCertificate, mesh_names
from mesh.identity.tls import grpc_credentials, ssl_context
from mesh.identity.vault_file import FileVault
from mesh.identity.vault_secret import SecretVault

__all__ = [
    "Authority",
    "FileVault",
    "Issued",
    "Keyring",
    "Root",
    "SecretVault",
    "ServingCertificate",
    "Vault",
    "grpc_credentials",
    "mesh_names",
    "ssl_context",
]
