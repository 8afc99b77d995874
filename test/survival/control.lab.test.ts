import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { activeNode } from '../lab/checks.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { VIPCTL } from '../lab/programs.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { CALM, PATIENCE_MS, said, transitionsOf, untilPair } from './ground.js';

const A_FEW_CLIENTS = 20;
const A_CROWD_OF_CLIENTS = 60;
const HUGE_BYTES = 5_000_000;

inSandbox('test/survival/control.lab.test.ts', () => {
  let lab: Lab;
  let active: NodeName;
  let standby: NodeName;
  beforeAll(async () => {
    lab = await createLab(CALM);
    await untilPair(lab);
    active = await activeNode(lab);
    standby = peerOf(active);
  });
  afterAll(() => lab.destroy());

  /** Says this on the control socket; answers what came back until the other side closed, or `forMs` had passed. */
  const speak = (what: string | Buffer, forMs = 1_500): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(lab.files[active].controlSocket);
      const heard: Buffer[] = [];
      const end = (): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(Buffer.concat(heard).toString());
      };
      const timer = setTimeout(end, forMs);
      socket.on('data', (piece) => heard.push(piece));
      socket.once('close', end);
      socket.once('error', end);
      socket.write(what);
    });

  describe('a client of the control socket', () => {
    it.each([
      [
        'noise',
        Buffer.from(Array.from({ length: 2_000 }, (_, i) => (i * 7919 + 13) % 251)),
        /one request at a time|not one line of JSON/,
      ],
      ['no JSON', 'hello\n', /the request is not one line of JSON: malformed JSON/],
      ['JSON of no request', '{"request":"reboot"}\n', /not a request that this agent understands/],
      ['a field too much', '{"request":"status","x":1}\n', /not a request that this agent understands/],
      ['a line without end', `{"request":"${'x'.repeat(HUGE_BYTES)}`, /a request has at most 65536 bytes/],
      ['two requests at once', '{"request":"status"}\n{"request":"status"}\n', /one request at a time/],
      ['a request of HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', /one request at a time|not one line of JSON/],
    ])('that sends %s is told so', async (_, what, answer) => {
      expect(await speak(what)).toMatch(answer);
    });

    const connectIdle = (): Promise<Socket> =>
      new Promise((resolve) => {
        const socket = connect(lab.files[active].controlSocket, () => resolve(socket));
        socket.on('error', () => undefined);
      });

    it('that stops in the middle of a request, and goes, harms nobody', async () => {
      expect(await speak('{"request":"sta', 200)).toBe('');
      expect((await lab.vipctl(active, ['is-active'])).status).toBe(0);
    });

    it.each([
      ['a few', A_FEW_CLIENTS, /control connections are open already; close some and try again/],
      ['a crowd', A_CROWD_OF_CLIENTS, /broke off|closed the connection|control connections are open already/],
    ])('that is one too many, by %s, is turned away; and served when they have gone', async (_, count, told) => {
      const idle = await Promise.all(Array.from({ length: count }, connectIdle));
      const refused = await lab.vipctl(active, ['status']);
      for (const socket of idle) socket.destroy();
      expect(refused.status).not.toBe(0);
      expect(refused.stderr).toMatch(told);
      await waitFor(
        async () => (await lab.vipctl(active, ['is-active'])).status === 0,
        'it answers again',
        PATIENCE_MS,
      );
    });

    it('has moved nothing by all that', async () => {
      await untilPair(lab);
      expect({ active: await activeNode(lab), how: await transitionsOf(lab, active) }).toMatchObject({ active });
      expect(said(lab.agent[active]).join('\n')).not.toMatch(/^(error|fatal)/m);
    });
  });

  describe('vipctl', () => {
    it.each([
      [['nonsense'], 2, /unknown command 'nonsense'/],
      [['switchover', '--timeout', '5'], 2, /--timeout/],
      [['pause', '--for', 'ever'], 2, /--for/],
      [['maintenance', 'perhaps'], 2, /on, off/],
      [['status', '--json', '--watch'], 2, /do not go together/],
    ])('%j is a matter of usage', async (args, status, why) => {
      const result = await lab.vipctl(active, args);
      expect(result.status).toBe(status);
      expect(result.stderr).toMatch(why);
    });

    it('promote on the standby of a healthy pair is refused with what to do instead', async () => {
      const result = await lab.vipctl(standby, ['promote']);
      expect(result.status).toBe(1);
      expect(result.stderr).toContain(`${active} is active and heard; use \`vipctl switchover\``);
    });

    it('is-active tells by its exit status', async () => {
      expect((await lab.vipctl(active, ['is-active'])).status).toBe(0);
      expect((await lab.vipctl(standby, ['is-active'])).status).toBe(1);
    });

    it('switchover is refused with the reason while the standby is in maintenance, or the group paused', async () => {
      expect((await lab.vipctl(standby, ['maintenance', 'on'])).status).toBe(0);
      await waitFor(
        async () => {
          const result = await lab.vipctl(active, ['switchover']);
          expect(result.status).toBe(1);
          return /is not fit: maintenance: set by an operator/.test(result.stderr) || result.stderr;
        },
        'refused for maintenance',
        PATIENCE_MS,
      );
      expect((await lab.vipctl(standby, ['maintenance', 'off'])).status).toBe(0);
      expect((await lab.vipctl(active, ['pause'])).status).toBe(0);
      const paused = await lab.vipctl(active, ['switchover']);
      expect([paused.status, paused.stderr]).toEqual([
        1,
        expect.stringContaining('the group is paused; run `vipctl resume` first'),
      ]);
      expect((await lab.vipctl(standby, ['resume'])).status).toBe(0);
      await untilPair(lab);
    });

    it('names its configuration where that is the trouble, and what is wrong in it for check-config', async () => {
      const missing = await lab.exec(active, [process.execPath, VIPCTL, '--config', '/nowhere/vipd.yaml', 'status']);
      expect([missing.status, missing.stderr]).toEqual([4, expect.stringContaining('/nowhere/vipd.yaml')]);
      const checked = await lab.vipctl(active, ['check-config']);
      expect(checked.status).toBe(0);
    });

    it('says with 3 that no agent is there, or that it died, or hangs', async () => {
      await lab.agent[standby].stop('SIGKILL');
      const dead = await lab.vipctl(standby, ['status']);
      expect([dead.status, dead.stderr]).toEqual([3, expect.stringContaining('it has died and left its socket')]);
      lab.agent[standby].start();
      await untilPair(lab);
      await lab.agent[standby].stop();
      const stopped = await lab.vipctl(standby, ['is-active']);
      expect([stopped.status, stopped.stderr]).toEqual([3, expect.stringContaining('no agent on this host')]);
      lab.agent[standby].start();
      await untilPair(lab);
      lab.agent[standby].signal('SIGSTOP');
      const hanging = await lab.vipctl(standby, ['status']);
      expect([hanging.status, hanging.stderr]).toEqual([3, expect.stringContaining('has not answered for 5 s')]);
      lab.agent[standby].signal('SIGCONT');
      await untilPair(lab);
    });
  });
});
