#!/bin/sh
# Installs the named Debian packages (postgresql, redis-server, nats-server) for their programs only,
# as root. twotick starts instances of its own, so nothing that comes with the packages is started,
# now or at boot, and Postgres gets no default cluster. What was there before is left as it is.
set -e

clusters=/etc/postgresql-common/createcluster.conf
case " $* " in
*" postgresql "*)
	if [ ! -e "$clusters" ]; then
		mkdir -p "$(dirname "$clusters")"
		printf '%s\n' \
			'# Written by twotick: it needs the programs of Postgres, and no cluster.' \
			'# Without this file, new major versions get a default cluster "main" again.' \
			'create_main_cluster = false' >"$clusters"
	fi
	;;
esac

apt-get update -qq || echo 'apt-get update failed; trying with what is known.' >&2

# These two keep the packages from starting a service: systemctl then only notes, and a sysv init
# takes this for single-user mode.
export SYSTEMD_OFFLINE=1 RUNLEVEL=1
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null

for service in "$@"; do
	if command -v systemctl >/dev/null; then
		systemctl disable --quiet "$service" 2>/dev/null || true
	elif [ -x "/etc/init.d/$service" ]; then
		update-rc.d "$service" disable
	fi
done
