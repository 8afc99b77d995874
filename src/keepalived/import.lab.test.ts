/** keepalived itself accepts each configuration in golden/: what is imported is what is in use. */

import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { CASES } from './import.fixture.js';

const run = promisify(execFile);

/** Exit status of `keepalived -t` where all it has to say is that scripts are not as safe as it would like them. */
const SECURITY_ONLY = 6;

/** Links, accounts and scripts as the configurations have them, seen by nobody outside of the new namespaces. */
const SCRIPT = `
set -e
PATH=/usr/sbin:/usr/bin
ip link add eth0 type veth peer name eth1
ip link set eth0 up
ip link set eth1 up
mount -t tmpfs none /etc/keepalived
cp -a "$1"/. /etc/keepalived/
mkdir -p /etc/keepalived/checks
for script in $(grep -rhoE '/etc/keepalived/[A-Za-z0-9_./-]+' "$1" | sort -u); do
  [ -e "$script" ] || { printf '#!/bin/sh\\n' > "$script"; chmod 755 "$script"; }
done
mount -t tmpfs none /mnt
mkdir -m 755 /mnt/bin
for program in killall mysql check_lag; do
  printf '#!/bin/sh\\n' > /mnt/bin/$program
  chmod 755 /mnt/bin/$program
done
mount -t overlay none -o lowerdir=/mnt/bin:/usr/bin /usr/bin
# keepalived takes keepalived_script wherever it exists; Debian does not make it, so it is there where it is asked for.
sed '$a mysql:x:998:65534::/:/bin/false' /etc/passwd > /mnt/passwd
! grep -q keepalived_script "$1"/keepalived.conf || echo keepalived_script:x:999:65534::/:/bin/false >> /mnt/passwd
mount --bind /mnt/passwd /etc/passwd
cd /etc/keepalived
exec keepalived --config-test --config-id db1 --use-file /etc/keepalived/keepalived.conf
`;

test.each(CASES)('$name is accepted', async ({ file }) => {
  // Alone in a PID namespace: keepalived 2.2.7 ends its test by SIGTERM when, having looked at a script as another user,
  // it finds a parent.
  const args = [
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--propagation',
    'private',
    'sh',
    '-c',
    SCRIPT,
    'sh',
    dirname(file),
  ];
  const { status, text } = await run('unshare', args).then(
    ({ stdout, stderr }) => ({ status: 0, text: stdout + stderr }),
    (error: { code: number; stderr: string }) => ({ status: error.code, text: error.stderr }),
  );
  expect([0, SECURITY_ONLY], text).toContain(status);
  expect(text).not.toMatch(/Unknown keyword/);
});
