#!/bin/bash
# Makes this machine, a Debian or an Ubuntu, ready for a class: the course, JupyterHub, nbgrader's exchange.
#
#   install.sh [--no-proxy] [WHEEL]
#
# Run as root, from a clone; run again, it updates. Without a WHEEL the clone is installed. Everything lies below PREFIX
# (/opt/coursekit). A Python environment that is there already is used; otherwise PYTHON (python3) makes one.
# --no-proxy: for an image of a single user's server, which has its hub and proxy elsewhere.
set -euo pipefail
umask 022
here=$(cd "$(dirname "$0")" && pwd)
clone=$(cd "$here/../.." && pwd)
prefix=${PREFIX:-/opt/coursekit}
python=${PYTHON:-python3}
proxy=yes
[ "${1:-}" != --no-proxy ] || { proxy=no; shift; }
course=$(realpath "${1:-$clone}")
group=segmentation

lacking=no
need() { # what to ask, and what to do where the answer is no
  sh -c "$1" >/dev/null 2>&1 || { echo "$2" >&2; lacking=yes; }
}
need '[ "$(id -u)" = 0 ]' "This must run as root: sudo $0"
need 'command -v groupadd && command -v runuser' "groupadd or runuser is missing: apt install passwd util-linux"
if [ ! -x "$prefix/bin/python" ]; then
  need "'$python' -c 'import sys; sys.exit(sys.version_info < (3, 11))'" \
    "Python 3.11 or newer is missing: apt install python3, or name one: PYTHON=/usr/bin/python3.12 $0"
  need "'$python' -c 'import venv, ensurepip'" "Python's venv module is missing: apt install python3-venv"
fi
if [ $proxy = yes ]; then
  need 'command -v npm' "npm is missing, which fetches the hub's proxy: apt install npm"
fi
[ $lacking = no ] || exit 1

cd / # where nothing can be mistaken for a package
[ ! -x "$prefix/bin/python" ] || python=$prefix/bin/python
interpreter=$("$python" -c 'import sys; print(sys._base_executable)')
runuser -u nobody -- "$interpreter" -c '' 2>/dev/null || {
  echo "Other users cannot run $interpreter, which lies in a closed folder. Name another: PYTHON=/usr/bin/python3 $0" >&2
  exit 1
}
[ -x "$prefix/bin/python" ] || "$python" -m venv "$prefix"
"$prefix/bin/python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
  --constraint "$clone/constraints.txt" "$course[hub,cluster,classroom]"

for role in formgrade nbgrader; do # instructors, students
  getent group $role-$group >/dev/null || groupadd $role-$group
done

# The package carries the solutions.
solutions=$("$prefix/bin/python" -c 'import coursekit; print(*coursekit.__path__)')/course/solutions
chown -R root:formgrade-$group "$solutions"
chmod -R u=rwX,g=rX,o= "$solutions"
if [ -d "$clone/solutions" ] && runuser -u nobody -- test -r "$clone/solutions"; then
  echo "Students can read the solutions in this clone: chmod o-rx $clone" >&2
fi

# Submissions are marked in boxes, which an ordinary user can make only in a namespace of his own.
runuser -u nobody -- unshare --user --map-root-user --mount true 2>/dev/null \
  || echo "Ordinary users get no user namespaces, and without them nothing is marked here; on Ubuntu: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" >&2

install -d "$prefix"/etc/{jupyter,jupyterhub} "$prefix/var"
cp -rT "$here/etc/everybody" "$prefix/etc/jupyter"
cp -r "$here"/etc/{instructor,student} "$prefix/etc/"
install -m 755 "$here/course-server" "$prefix/bin/"
install -m 644 "$here/jupyterhub_config.py" "$prefix/etc/jupyterhub/"
sed "s:/opt/coursekit:$prefix:g" "$here/coursekit-hub.service" >"$prefix/etc/jupyterhub/coursekit-hub.service"

# nbgrader wants its exchange writable to everybody; sticky, so that nobody can put a course of his own in another's place.
install -d -m 1777 "$prefix/var/exchange"
install -d -m 700 "$prefix/var/hub"

if [ $proxy = yes ]; then
  npm install --silent --no-fund --no-audit --prefix "$prefix/lib/proxy" configurable-http-proxy@5
fi
echo "The course is in $prefix."
