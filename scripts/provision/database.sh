#!/usr/bin/env bash
# A database host: database.sh SERVER_ID PEER_ADDRESS. MariaDB as one of a pair of masters, and the agent. May be run again.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

server_id=$1
peer_address=$2
secrets=/root/vipd-secrets
network='10.99.0.%'

secret() {
  tr -d '\n' <"$secrets/$1"
}

apt-get install -qy mariadb-server nftables

cat >/etc/mysql/mariadb.conf.d/90-vipd.cnf <<CNF
[mariadbd]
server_id = $server_id
bind_address = *
skip_name_resolve = ON

# The agent opens the database and starts replication; a server that starts by itself does neither.
read_only = ON
skip_slave_start = ON
event_scheduler = OFF

# A commit that was acknowledged is on disk, in both logs.
sync_binlog = 1
innodb_flush_log_at_trx_commit = 1

log_bin = binlog
relay_log = relay
log_slave_updates = ON
binlog_format = ROW
binlog_row_image = FULL
gtid_domain_id = 0
gtid_strict_mode = ON
auto_increment_increment = 2
auto_increment_offset = $server_id
slave_net_timeout = 4

# The agent decides when commits wait for the other host; the server must not give up by itself.
rpl_semi_sync_master_wait_point = AFTER_SYNC
rpl_semi_sync_master_timeout = 4294967295
rpl_semi_sync_slave_enabled = ON

# The pre-flight of a switchover names who holds a lock by it.
plugin_load_add = metadata_lock_info
# Another door for the agent when max_connections is used up.
extra_port = 3307
CNF
# Debian enables it: systemd would go on listening for a server that has died, and connections to it would hang, not fail.
systemctl disable --now mariadb.socket
systemctl restart mariadb

# The privileges that this build asks for, from the list that it checks at its start.
grants() {
  node --input-type=module - "$1" <<'JS'
import { grantStatements } from '/usr/lib/vipd/dist/src/mysql/grants.js';
console.log(grantStatements('mariadb', process.argv[2]).join(';\n') + ';');
JS
}

if [ -z "$(mariadb -e 'SHOW SLAVE STATUS')" ]; then
  # By standard input: arguments are shown in the list of processes. Accounts are each host's own and not replicated.
  {
    echo 'SET GLOBAL read_only = 0; SET SESSION sql_log_bin = 0;'
    echo 'CREATE DATABASE IF NOT EXISTS vipd; CREATE DATABASE IF NOT EXISTS orders;'
    for host in localhost "$network"; do
      echo "CREATE USER IF NOT EXISTS 'vipd'@'$host' IDENTIFIED BY '$(secret agent-password)';"
      grants "'vipd'@'$host'"
    done
    echo "GRANT REPLICATION SLAVE ON *.* TO 'replication'@'$network' IDENTIFIED BY '$(secret replication-password)';"
    echo "GRANT ALL ON orders.* TO 'app'@'$network' IDENTIFIED BY '$(secret app-password)';"
    echo "CHANGE MASTER TO MASTER_HOST = '$peer_address', MASTER_USER = 'replication',
      MASTER_PASSWORD = '$(secret replication-password)', MASTER_USE_GTID = slave_pos,
      MASTER_CONNECT_RETRY = 1, MASTER_HEARTBEAT_PERIOD = 1;"
    # Whatever the package's own set-up has logged would be a difference between the two.
    echo 'RESET MASTER; SET GLOBAL read_only = 1;'
  } | mariadb
fi

install -m 0600 "$secrets/key" /etc/vipd/key
(
  umask 077
  printf '[client]\nuser = vipd\npassword = %s\n' "$(secret agent-password)" >/etc/vipd/mysql.cnf
)

# Vagrant's own network is the first interface; the pair's is the one with our address in it.
interface=$(ip -o -4 address show to 10.99.0.0/24 | awk '{ print $2; exit }')
cat >/etc/vipd/vipd.yaml <<YAML
group: orders
nodes:
  db1: { address: 10.99.0.1, priority: 100 }
  db2: { address: 10.99.0.2, priority: 90 }
witnesses:
  - { name: w1, address: 10.99.0.3 }
key_file: /etc/vipd/key
vip:
  - { address: 10.99.0.100/24, interface: $interface }
mysql:
  socket: /run/mysqld/mysqld.sock
  defaults_file: /etc/vipd/mysql.cnf
YAML
chmod 0644 /etc/vipd/vipd.yaml

vipctl check-config /etc/vipd/vipd.yaml
systemctl enable vipd.service
systemctl restart vipd.service
