#!/usr/bin/env bash
# A client: it knows the virtual IP and nothing else. `write-through-vip` writes a row every tenth of a second.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

apt-get install -qy mariadb-client tcpdump
(
  umask 077
  printf '[client]\nhost = 10.99.0.100\nuser = app\npassword = %s\nconnect_timeout = 1\n' \
    "$(tr -d '\n' </root/vipd-secrets/app-password)" >/root/.my.cnf
)

cat >/usr/local/bin/write-through-vip <<'SH'
#!/bin/sh
# Says which server took each row, or why none did. Ends with Ctrl-C.
write='CREATE TABLE IF NOT EXISTS orders.writes (
    id BIGINT AUTO_INCREMENT PRIMARY KEY, server INT NOT NULL, at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP(3));
  INSERT INTO orders.writes (server) VALUES (@@server_id);
  SELECT NOW(3), @@hostname'
while :; do
  mariadb --batch --skip-column-names -e "$write" 2>&1
  sleep 0.1
done
SH
chmod 0755 /usr/local/bin/write-through-vip
