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
apt-get install -qy ca-certificates curl gpg rsync

# Debian 12 has Node 18 only; NodeSource's repository has newer ones under the same name.
if ! command -v node >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  curl -fsSL https://deb.nodesource.com/gpgkey/nodesource-repo.gpg.key | gpg --batch --yes --dearmor -o /usr/share/keyrings/nodesource.gpg
  echo 'deb [signed-by=/usr/share/keyrings/nodesource.gpg] https://deb.nodesource.com/node_20.x nodistro main' \
    >/etc/apt/sources.list.d/nodesource.list
  apt-get update -q
  apt-get install -qy nodejs
fi

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
