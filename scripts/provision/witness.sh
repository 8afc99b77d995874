#!/usr/bin/env bash
# The witness: a third voter without data. May be run again.
set -euo pipefail

install -o vipd-witness -g vipd-witness -m 0600 /root/vipd-secrets/key /etc/vipd/key
cat >/etc/vipd/witness.yaml <<'YAML'
name: w1
listen: 10.99.0.3
groups:
  - name: orders
    key_file: /etc/vipd/key
    nodes: [db1, db2]
state_directory: /var/lib/vipd-witness
YAML
chmod 0644 /etc/vipd/witness.yaml

systemctl enable vipd-witness.service
systemctl restart vipd-witness.service
