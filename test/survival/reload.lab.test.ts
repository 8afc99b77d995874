import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { brokenWrites } from '../lab/checks.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { addressesOf, NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { CALM, PATIENCE_MS, reconfigure, said, transitionsOf, untilActive, untilPair } from './ground.js';

const SECOND_VIP = '10.99.0.101';
const VIP = { address: '10.99.0.100/24', interface: 'eth0' };
const SECOND = { address: `${SECOND_VIP}/24`, interface: 'eth0' };

/** A changed file is taken over, or refused as a whole with the reason; the VIP that both files have stays where it is. */
inSandbox('test/survival/reload.lab.test.ts', () => {
  describe('a pair whose files change', () => {
    let lab: Lab;
    let active: NodeName;
    let movesBefore: readonly string[];
    beforeAll(async () => {
      lab = await createLab(CALM);
      await untilPair(lab);
      active = (await lab.status('db1')).active === 'db1' ? 'db1' : 'db2';
      movesBefore = await transitionsOf(lab, active);
    });
    afterAll(() => lab.destroy());

    const reload = (node: NodeName) => lab.ask(node, { request: 'reload' });
    const taken = async (node: NodeName): Promise<string> => {
      const answer = await reload(node);
      expect(answer).toMatchObject({ kind: 'done', ok: true });
      return answer.text.split('\n')[0] ?? '';
    };
    const refused = async (node: NodeName): Promise<string> => {
      const answer = await reload(node);
      expect(answer).toMatchObject({ kind: 'done', ok: false });
      return answer.text;
    };
    const unmoved = async (): Promise<void> => expect(await transitionsOf(lab, active)).toEqual(movesBefore);

    it('runs a new health script at SIGHUP, and says so in status, journal and log', async () => {
      const { config } = await lab.status(active);
      expect(config.reload).toBeNull();
      reconfigure(lab, active, {
        checks: [{ name: 'fine', command: ['/bin/true'], interval: '500ms', timeout: '500ms' }],
      });
      lab.agent[active].signal('SIGHUP');
      await waitFor(
        async () => (await lab.status(active)).checks.some(({ name, ok }) => name === 'fine' && ok === true),
        'the new check passes',
        PATIENCE_MS,
      );
      const after = (await lab.status(active)).config;
      expect(after.reload).toMatchObject({ ok: true, text: 'configuration reloaded; changed: checks' });
      expect(after.version).not.toBe(config.version);
      expect((await lab.journal(active)).filter(({ cause }) => cause === 'reload')).toMatchObject([{ kind: 'notice' }]);
      expect(said(lab.agent[active]).join('\n')).toContain('info: configuration reloaded; changed: checks');
      reconfigure(lab, active, {});
      expect(await taken(active)).toContain('changed: checks');
      expect((await lab.status(active)).checks.map(({ name }) => name)).not.toContain('fine');
      await unmoved();
    });

    it('refuses what a running agent cannot change, each by its name with what to do, and all that came with it', async () => {
      reconfigure(lab, active, {
        heartbeat: { interval: '200ms', dead_after: 10 },
        moves: { cooldown: '70s' },
        witnesses: [],
      });
      const why = await refused(active);
      expect(why).toMatch(/the old one stays in force: witnesses, heartbeat\.interval cannot be changed while/);
      expect(why).toMatch(/witnesses: .*both find a majority; stop vipd on both nodes/);
      expect(why).toMatch(/heartbeat\.interval: .*restart vipd on the standby, then on the other/);
      const status = await lab.status(active);
      expect(status.lease.lengthMs).toBe(1_000);
      expect(status.config.reload?.ok).toBe(false);
      const shown = await lab.vipctl(active, ['status']);
      expect(shown.stdout).toMatch(/WARNING .*reload/);
      reconfigure(lab, active, {});
      expect(await taken(active)).toContain('nothing in it has changed');
      expect((await lab.vipctl(active, ['status'])).stdout).not.toContain('reload');
    });

    it('puts a VIP on and takes it off again, while the other passes every write', async () => {
      const load = lab.load();
      const acknowledged = () => load.fresh.attempts.filter((attempt) => attempt.acknowledged).length;
      await waitFor(() => acknowledged() > 50, 'writes pass', PATIENCE_MS);
      for (const node of [peerOf(active), active]) {
        reconfigure(lab, node, { vip: [VIP, SECOND] });
        expect(await taken(node)).toContain('changed: vip');
      }
      expect(await addressesOf(active)).toContain(SECOND_VIP);
      expect(await addressesOf(peerOf(active))).not.toContain(SECOND_VIP);
      const greeting = ['bash', '-c', `exec 3<>/dev/tcp/${SECOND_VIP}/3306`];
      expect((await lab.exec('client', ['timeout', '10', ...greeting])).status).toBe(0);
      const rules = (await lab.exec(active, ['nft', 'list', 'table', 'inet', 'vipd_lab'])).stdout;
      expect(rules).toMatch(/set live4 {[^}]*10\.99\.0\.100[^}]*10\.99\.0\.101/);
      for (const node of [active, peerOf(active)]) {
        reconfigure(lab, node, {});
        expect(await taken(node)).toContain('changed: vip');
      }
      expect(await addressesOf(active)).toEqual(expect.not.arrayContaining([SECOND_VIP]));
      expect((await lab.exec(active, ['nft', 'list', 'table', 'inet', 'vipd_lab'])).stdout).not.toContain(SECOND_VIP);
      const before = acknowledged();
      await waitFor(() => acknowledged() > before + 50, 'writes pass', PATIENCE_MS);
      await load.stop();
      expect(brokenWrites(load, peerOf(active))).toEqual([]);
      await unmoved();
    });

    it('takes no VIP that a stranger answers for, nor one for an interface that is not there', async () => {
      await lab.exec('stranger', ['ip', 'address', 'add', `${SECOND_VIP}/24`, 'dev', 'eth0']);
      reconfigure(lab, active, { vip: [VIP, SECOND] });
      expect(await refused(active)).toMatch(/a stranger, 02:99:00:00:00:13, answers for 10\.99\.0\.101/);
      expect(await addressesOf(active)).not.toContain(SECOND_VIP);
      await lab.exec('stranger', ['ip', 'address', 'del', `${SECOND_VIP}/24`, 'dev', 'eth0']);
      reconfigure(lab, active, { vip: [VIP, { ...SECOND, interface: 'eth7' }] });
      expect(await refused(active)).toMatch(/eth7/);
      reconfigure(lab, active, { vip: [{ ...VIP, address: '10.99.0.100/25' }] });
      expect(await refused(active)).toMatch(/vip: .*10\.99\.0\.100\/24 on eth0 to 10\.99\.0\.100\/25.*never moved/);
      reconfigure(lab, active, {});
      await taken(active);
      await unmoved();
    });

    it('runs hooks that were put there since its start', async () => {
      const hook = join(lab.files[active].hooksDirectory, 'hold', 'tell');
      mkdirSync(dirname(hook), { recursive: true });
      writeFileSync(hook, `#!/bin/sh\necho "$VIPD_REASON" >> ${join(lab.directory, 'held')}\n`);
      chmodSync(hook, 0o755);
      expect(await taken(active)).toContain('changed: hooks.directory');
      await lab.ask(active, { request: 'maintenance', on: true });
      await waitFor(
        () => readFileSync(join(lab.directory, 'held'), 'utf8').includes('maintenance'),
        'it ran',
        PATIENCE_MS,
      );
      await lab.ask(active, { request: 'maintenance', on: false });
    });

    it('logs in with another account, and not with one that the server does not know', async () => {
      const login = join(dirname(lab.files[active].config), 'mysql.cnf');
      const before = readFileSync(login, 'utf8');
      writeFileSync(login, '[client]\nuser=vipd\npassword=wrong-and-secret\n');
      const why = await refused(active);
      expect(why).toMatch(/mysql\.defaults_file: the database refuses the new login/);
      expect(why).not.toContain('wrong-and-secret');
      const created = [
        'SET SESSION sql_log_bin=0',
        "CREATE USER second@localhost IDENTIFIED BY 'p'",
        'GRANT ALL ON *.* TO second@localhost WITH GRANT OPTION',
      ];
      await lab.database[active].sql(created.join(';'));
      writeFileSync(login, '[client]\nuser=second\npassword=p\n');
      expect(await taken(active)).toContain('changed: mysql.defaults_file');
      await waitFor(
        async () => {
          const users = (await lab.database[active].sql('SELECT user FROM information_schema.processlist')).map(
            (row) => row.user,
          );
          return (users.includes('second') && !users.includes('vipd')) || users.join(' ');
        },
        'all its connections are of the new account',
        PATIENCE_MS,
      );
      writeFileSync(login, before);
      await taken(active);
      await untilPair(lab);
      await unmoved();
    });

    it('changes the key of all three members step by step, and refuses the steps that would cut one off', async () => {
      const files = [
        ...NODES.map((node) => join(dirname(lab.files[node].config), 'key')),
        join(dirname(lab.witnessFiles.config), 'key'),
      ];
      const fresh = randomBytes(32).toString('base64');
      for (const file of files) writeFileSync(`${file}.new`, `${fresh}\n`, { mode: 0o600 });
      const use = (node: NodeName, names: readonly string[]): void => {
        const etc = dirname(lab.files[node].config);
        reconfigure(lab, node, { key_file: names.map((name) => join(etc, name)) });
      };
      const witness = async (names: readonly string[]): Promise<void> => {
        const config = parse(readFileSync(lab.witnessFiles.config, 'utf8'));
        config.groups[0].key_file = names.map((name) => join(dirname(lab.witnessFiles.config), name));
        const told = said(lab.witness).length;
        writeFileSync(lab.witnessFiles.config, stringify(config));
        lab.witness.signal('SIGHUP');
        await waitFor(
          () =>
            said(lab.witness)
              .slice(told)
              .some((line) => /reloaded/.test(line)),
          'it says so',
          PATIENCE_MS,
        );
      };
      use(active, ['key.new', 'key']);
      expect(await refused(active)).toMatch(/key_file: begins with a key that was not in use before/);
      for (const names of [
        ['key', 'key.new'],
        ['key.new', 'key'],
      ]) {
        for (const node of NODES) {
          use(node, names);
          expect(await taken(node)).toContain('changed: key_file');
        }
        await witness(names);
        await untilPair(lab);
        if (names[0] !== 'key') continue;
        use(active, ['key.new']);
        expect(await refused(active)).toMatch(/key_file: .* still signs with a key that the new file has not/);
      }
      await waitFor(
        async () => (await lab.status(active)).witnesses.every(({ reachable }) => reachable),
        'heard',
        PATIENCE_MS,
      );
      for (const node of NODES) {
        use(node, ['key.new']);
        await waitFor(
          async () => (await reload(node)).text.split('\n')[0] === 'configuration reloaded; changed: key_file',
          `${node} uses the new key alone`,
          PATIENCE_MS,
        );
      }
      await witness(['key.new']);
      await untilPair(lab);
      expect(said(lab.witness).join('\n')).toContain('configuration reloaded; changed: groups');
      await unmoved();
    });

    it('goes on with a move that is under way, and reloads after it', async () => {
      const other = peerOf(active);
      // What went before may have left the standby unfit for a moment.
      const possible = async () => (await lab.vipctl(active, ['switchover', '--dry-run'])).status === 0;
      await waitFor(possible, 'nothing stands in the way of a move', PATIENCE_MS);
      const moving = lab.vipctl(active, ['switchover']);
      await waitFor(
        async () => (await lab.status(active)).nodes.find(({ self }) => self)?.role !== 'active',
        'the move is under way',
        PATIENCE_MS,
      );
      expect(await taken(active)).toContain('configuration reloaded');
      const { status, stdout, stderr } = await moving;
      expect(status, `${stdout}${stderr}`).toBe(0);
      await untilActive(lab, other);
    });
  });
});
