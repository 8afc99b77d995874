/** For lab tests: disks that are full, read-only or frozen, in a mount namespace that dies with its process. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestDisk {
  /** Its root, reached through the other process's view (proc(5), /proc/PID/root). */
  readonly path: string;
  /** A command in that namespace, such as `mount -o remount,ro /mnt`. */
  run(command: string, ...args: readonly string[]): void;
  remove(): void;
}

const MOUNT_POINT = '/mnt';

/** A process in a mount namespace of its own; `extra` are descriptors it inherits from 3 on; `last` runs if this one ends before it. */
const holder = async (
  script: string,
  extra: readonly number[] = [],
  last = '',
): Promise<ChildProcess & { readonly pid: number }> => {
  const args = [
    '--mount',
    '--propagation',
    'private',
    '--kill-child',
    '--',
    '/bin/sh',
    '-c',
    `${script} && echo ready && ${last === '' ? 'exec cat 3<&-' : `cat 3<&-; ${last}`}`,
  ];
  const child = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit', ...extra] });
  if (child.stdout === null || child.pid === undefined) throw new Error('unshare could not be started');
  await once(child.stdout, 'data');
  return Object.assign(child, { pid: child.pid });
};

const diskOf = (child: ChildProcess & { readonly pid: number }): TestDisk => ({
  path: join('/proc', String(child.pid), 'root', MOUNT_POINT),
  run: (command, ...args) => {
    execFileSync('nsenter', [`--mount=/proc/${child.pid}/ns/mnt`, '--', command, ...args]);
  },
  remove: () => {
    child.kill('SIGKILL');
  },
});

/** A file system in memory of that size. */
export const smallDisk = async (sizeKib: number): Promise<TestDisk> =>
  diskOf(await holder(`mount -t tmpfs -o size=${sizeKib}k tmpfs ${MOUNT_POINT}`));

/** A disk on which everything can be read and, while it is frozen, no write comes back (fsfreeze(8)). */
export interface FreezableDisk extends TestDisk {
  /** What a command begins with that is to see it at `mountPoint`: a server looks behind `path`, where only its own /mnt is. */
  readonly prefix: readonly string[];
  readonly mountPoint: string;
  freeze(): void;
  /** Does nothing where it is not frozen. */
  thaw(): void;
}

export const freezableDisk = async (sizeMib: number): Promise<FreezableDisk> => {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-disk-'));
  const image = join(directory, 'image');
  writeFileSync(image, '');
  truncateSync(image, sizeMib * 1_048_576);
  execFileSync('mkfs.ext4', ['-q', image]);
  // Thawed at the end in any case: whoever waits for a frozen disk cannot be ended.
  const thaw = `fsfreeze -u ${MOUNT_POINT}`;
  const child = await holder(`mount -o loop ${image} ${MOUNT_POINT}`, [], thaw);
  const disk = diskOf(child);
  let frozen = false;
  const freezable: FreezableDisk = {
    ...disk,
    prefix: ['nsenter', `--mount=/proc/${child.pid}/ns/mnt`, '--'],
    mountPoint: MOUNT_POINT,
    freeze: () => {
      disk.run('fsfreeze', '-f', MOUNT_POINT);
      frozen = true;
    },
    thaw: () => {
      if (frozen) disk.run('fsfreeze', '-u', MOUNT_POINT);
      frozen = false;
    },
    remove: () => {
      freezable.thaw();
      disk.remove();
      rmSync(directory, { recursive: true });
    },
  };
  return freezable;
};

/** linux/fuse.h: struct fuse_in_header is 40 bytes, fuse_out_header 16, fuse_init_out 64. */
const FUSE = { OUT_HEADER: 16, INIT_OUT: 64, MAJOR: 7, MINOR: 31, READ_BYTES: 1 << 17 } as const;

/**
 * A disk that has stopped answering: a FUSE file system whose daemon takes every request and answers only its mounting.
 * Whoever touches it sleeps uninterruptibly, SIGKILL or not, until `remove`, or the end of this process, closes the device.
 */
export const frozenDisk = async (): Promise<TestDisk> => {
  const device = openSync('/dev/fuse', 'r+');
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
  const child = await holder(`mount -i -t fuse -o ${options} frozen ${MOUNT_POINT}`, [device]);
  answerMounting(device);
  // A request that nobody has read yet would still be given up on SIGKILL.
  const daemon = spawn('setpriv', ['--pdeathsig', 'KILL', 'cat'], { stdio: [device, 'ignore', 'ignore'] });
  const disk = diskOf(child);
  return {
    ...disk,
    remove: () => {
      daemon.kill('SIGKILL');
      disk.remove();
      closeSync(device);
    },
  };
};

const answerMounting = (device: number): void => {
  const request = Buffer.alloc(FUSE.READ_BYTES);
  readSync(device, request);
  const reply = Buffer.alloc(FUSE.OUT_HEADER + FUSE.INIT_OUT);
  reply.writeUInt32LE(reply.length, 0);
  // The number of the request that is answered.
  request.copy(reply, 8, 8, 16);
  reply.writeUInt32LE(FUSE.MAJOR, FUSE.OUT_HEADER);
  reply.writeUInt32LE(FUSE.MINOR, FUSE.OUT_HEADER + 4);
  writeSync(device, reply);
};
