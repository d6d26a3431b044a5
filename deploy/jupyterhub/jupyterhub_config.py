"""A class on one machine: the machine's own users and passwords, a server for each under their own user.

nbgrader takes the Unix user for the student, and Unix permissions keep them apart; the hub only lets them in.
"""

import sys
from pathlib import Path

c = get_config()

prefix = Path(sys.prefix)
state = prefix / "var" / "hub"
tls = prefix / "etc" / "jupyterhub" / "tls"

c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {"formgrade-segmentation", "nbgrader-segmentation"}

# Passwords travel only encrypted, or not at all beyond this machine.
if (tls / "cert.pem").is_file():
    c.JupyterHub.bind_url = "https://:443"
    c.JupyterHub.ssl_cert = str(tls / "cert.pem")
    c.JupyterHub.ssl_key = str(tls / "key.pem")
else:
    c.JupyterHub.bind_url = "http://127.0.0.1:8000"

c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.Spawner.cmd = [str(prefix / "bin" / "course-server")]
c.Spawner.default_url = "/lab"
c.Spawner.env_keep = ["PATH", "LANG", "LC_ALL"]
c.Spawner.environment = {
    "JUPYTER_DEFAULT_PROVISIONER_NAME": "coursekit-warm",
    # Tensors are small here, and the cores are everybody's.
    "OMP_NUM_THREADS": "1",
}
# Of each process, not of a user's all: LocalProcessSpawner can limit no more. SystemdSpawner can.
c.Spawner.mem_limit = "4G"

c.JupyterHub.db_url = f"sqlite:///{state / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")
c.ConfigurableHTTPProxy.command = [str(prefix / "lib/proxy/node_modules/.bin/configurable-http-proxy")]
