#!/usr/bin/env bash
# Every machine: Node 20, and vipd's packages made from the checkout in /vagrant. May be run again.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

# /tmp belongs to everybody; what was copied there is moved to where only root reads.
secrets=/root/vipd-secrets
if [ -d /tmp/vipd-secrets ]; then
  rm -rf "$secrets"
  mv /tmp/vipd-secrets "$secrets"
  chown -R root:root "$secrets"
  chmod -R go= "$secrets"
fi

apt-get update -q
apt-get install -qy ca-certificates rsync

# The packages depend on it. Debian 13 has it; on Debian 12 the operator chooses where it comes from (README, Packages).
apt-get install -qy nodejs
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  echo 'provision: vipd needs the package nodejs in version 20 or later, and apt has an older one here.' >&2
  echo 'Add a repository that has it, on each machine, as the README says under Packages; then run "vagrant provision".' >&2
  exit 1
fi

# Debian's own nodejs comes without it.
command -v npm > /dev/null || apt-get install -qy --no-install-recommends npm

rsync -a --delete --exclude node_modules --exclude dist /vagrant/ /opt/vipd/
cd /opt/vipd
npm ci --no-audit --no-fund
packages=/opt/vipd-packages
rm -rf "$packages"
# There is no repository here to tell the time.
SOURCE_DATE_EPOCH=$(stat -c %Y package.json) scripts/package --arch "$(dpkg --print-architecture)" --output "$packages"
wanted=("$packages"/vipd_*.deb)
if [ "$(hostname)" = w1 ]; then wanted+=("$packages"/vipd-witness_*.deb); fi
apt-get install -qy --reinstall "${wanted[@]}"
