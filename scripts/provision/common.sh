#!/usr/bin/env bash
# Every machine: Node 20, and vipd built from the checkout in /vagrant. May be run again.
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

# Debian 12 has Node 18 only; npm's package `node` brings the binary of a newer one.
if ! command -v node >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  apt-get install -qy nodejs npm
  npm install --global --no-audit --no-fund node@20
  hash -r
fi

rsync -a --delete --exclude node_modules --exclude dist /vagrant/ /opt/vipd/
cd /opt/vipd
npm ci --no-audit --no-fund
npm run clean
npm run build
npm prune --omit=dev --no-audit --no-fund
for program in vipd vipctl; do
  chmod 0755 "dist/src/cli/$program.js"
  ln -sfn "/opt/vipd/dist/src/cli/$program.js" "/usr/bin/$program"
done

install -m 0644 systemd/*.service /etc/systemd/system/
install -D -m 0644 -t /usr/share/man/man8 man/*.8 && install -D -m 0644 -t /usr/share/man/man5 man/*.5
for program in vipd vipctl; do
  install -D -m 0644 completions/$program.bash /usr/share/bash-completion/completions/$program
  install -D -m 0644 completions/_$program /usr/share/zsh/vendor-completions/_$program
  install -D -m 0644 completions/$program.fish /usr/share/fish/vendor_completions.d/$program.fish
done
install -D -m 0644 systemd/sysusers.d/vipd.conf /usr/lib/sysusers.d/vipd.conf
install -D -m 0644 systemd/tmpfiles.d/vipd.conf /usr/lib/tmpfiles.d/vipd.conf
systemd-sysusers vipd.conf
systemd-tmpfiles --create vipd.conf
systemctl daemon-reload
