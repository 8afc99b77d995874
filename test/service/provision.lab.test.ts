import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../lab/programs.js';

/** The first run fetches a Debian; then apt, npm's registry and two builds of the packages. */
const PROVISION_MS = 1_200_000;
const SECRETS = ['key', 'agent-password'] as const;

/**
 * A machine as Vagrant has it when common.sh begins, less its systemd: BASE is only read, what is written is gone with the
 * namespace. It reaches apt and npm as this host does. Arguments: base, a directory with `checkout`, `secrets` and an empty
 * `space`, host name, then the command.
 */
const IN_MACHINE = `set -e
base=$1 work=$2 name=$3
shift 3
hostname "$name"
space=$work/space
mount -t tmpfs tmpfs "$space"
mkdir "$space/disk" "$space/work" "$space/root"
root=$space/root
mount -t overlay overlay -o "lowerdir=$base,upperdir=$space/disk,workdir=$space/work" "$root"
mkdir -p "$root/vagrant"
mount --bind -o ro "$work/checkout" "$root/vagrant"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
cp -R "$work/secrets" "$root/tmp/vipd-secrets"
for file in /etc/resolv.conf /etc/hosts /root/.npmrc; do
  if [ -f "$file" ]; then install -D "$file" "$root$file"; fi
done
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
  install -D /etc/ssl/certs/ca-certificates.crt "$root/opt/host-authorities.crt"
  export NODE_EXTRA_CA_CERTS=/opt/host-authorities.crt npm_config_cafile=/opt/host-authorities.crt
fi
exec chroot "$root" "$@"`;

/** What it says goes to standard output where it fails only: apt and npm are talkative. */
const COMMON = 'bash /vagrant/scripts/provision/common.sh >/tmp/said 2>&1 || { cat /tmp/said; exit 1; }';
const INSTALLED = "dpkg --get-selections 'vipd*' | tr -s '[:blank:]' ' '";

const obstacle = (): string | null => {
  if (process.getuid?.() !== 0) return 'needs root';
  return spawnSync('which', ['debootstrap']).status === 0
    ? null
    : 'there is no debootstrap; scripts/test lab installs it';
};

const why = obstacle();
describe.skipIf(why !== null)(
  `common.sh of the Vagrantfile's machines${why === null ? '' : `: skipped: ${why}`}`,
  () => {
    let work = '';
    let base = '';
    beforeAll(() => {
      work = mkdtempSync(join(tmpdir(), 'vipd-provision-'));
      base = execFileSync(join(ROOT, 'scripts/machine-root'), { encoding: 'utf8' }).trim();
      for (const name of ['secrets', 'space']) mkdirSync(join(work, name));
      for (const name of SECRETS) writeFileSync(join(work, 'secrets', name), 'secret\n', { mode: 0o644 });
      copyCheckout(join(work, 'checkout'));
    }, PROVISION_MS);
    afterAll(() => rmSync(work, { recursive: true, force: true }));

    /** Runs `script` on a machine of that name; the checkout lies in /vagrant. */
    const onMachine = (host: string, script: string) => {
      const namespaces = ['--mount', '--uts', '--pid', '--fork', '--kill-child'];
      return spawnSync(
        'unshare',
        [...namespaces, 'sh', '-c', IN_MACHINE, 'sh', base, work, host, 'bash', '-ec', script],
        { encoding: 'utf8' },
      );
    };

    test(
      'a machine gets the agent made from its checkout, and run again as the witness that one too; the secrets are root’s',
      () => {
        const secrets =
          "stat --format '%a %U %n' /root/vipd-secrets /root/vipd-secrets/*; ls -d /tmp/vipd-secrets || true";
        const script = [COMMON, INSTALLED, 'hostname w1', COMMON, INSTALLED, 'vipctl --version', secrets].join('\n');
        const { status, stdout } = onMachine('db1', script);
        expect({ status, said: stdout.trim().split('\n') }).toEqual({
          status: 0,
          said: [
            'vipd install',
            'vipd install',
            'vipd-witness install',
            expect.stringMatching(/^\d+\.\d+\.\d+$/),
            '700 root /root/vipd-secrets',
            '600 root /root/vipd-secrets/agent-password',
            '600 root /root/vipd-secrets/key',
          ],
        });
      },
      PROVISION_MS,
    );

    test(
      'where apt has a Node that is too old, as Debian 12 has, it says so, and what to do',
      () => {
        const { status, stdout } = onMachine('db1', ['dpkg --purge nodejs >&2', COMMON].join('\n'));
        expect({ status, stdout }).toEqual({
          status: 1,
          stdout: expect.stringMatching(/needs the package nodejs in version 20 or later.*\n.*vagrant provision/),
        });
      },
      PROVISION_MS,
    );
  },
);

/** What Vagrant leaves out of /vagrant (rsync__exclude in the Vagrantfile). */
const LEFT_OUT = new Set(['.git', '.vagrant', 'node_modules', 'dist']);

const copyCheckout = (directory: string): void =>
  cpSync(ROOT, directory, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
