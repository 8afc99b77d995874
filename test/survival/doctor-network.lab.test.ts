import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cut, Traffic } from '../lab/faults.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { setWallClock, underWallClock } from '../lab/wall-clock.js';
import { causes, doctor, found } from './doctor-run.js';
import { CALM, PATIENCE_MS, untilPair } from './ground.js';

/** Every fault is planted in one healthy pair, found by the name of its cause, and mended. */
inSandbox('test/survival/doctor-network.lab.test.ts', () => {
  let lab: Lab;
  let here: NodeName;
  let peer: NodeName;
  beforeAll(async () => {
    lab = await createLab({ ...CALM, secondPath: true });
    await untilPair(lab);
    peer = (await lab.status('db1')).active === 'db1' ? 'db1' : 'db2';
    here = peerOf(peer);
  });
  afterAll(() => lab.destroy());

  describe('faults of the network', () => {
    beforeEach(() => lab.heal());
    afterAll(async () => {
      await lab.heal();
      await untilPair(lab);
    });
    /** On both cables. */
    const severed = (traffic: Traffic, from: NodeName, to: NodeName): readonly Cut[] => [
      { traffic, from, to },
      { traffic, from, to, path: 'second' },
    ];
    /** Until the agents have noticed: heartbeats are missed for some seconds before they count as gone. */
    const until = async (node: NodeName, cause: string, what: RegExp): Promise<void> => {
      await waitFor(
        async () => {
          const report = await doctor(lab, node);
          return (
            report.wrong.some(({ check, found: text }) => check === cause && what.test(text)) ||
            causes(report).join(', ')
          );
        },
        `the doctor on ${node} names ${cause}`,
        PATIENCE_MS,
      );
    };

    it('heartbeats that a firewall stops both ways', async () => {
      await lab.cut([...severed('heartbeat', here, peer), ...severed('heartbeat', peer, here)]);
      await until(here, 'heartbeats', /neither node hears the other/);
    });

    it('heartbeats that are stopped one way, seen from both ends', async () => {
      await lab.cut(severed('heartbeat', here, peer));
      await until(here, 'one-way', /is heard here, and does not hear this node/);
      await until(peer, 'one-way', /hears this node, and is not heard here/);
    });

    it('everything that is stopped one way', async () => {
      await lab.cut(severed('all', here, peer));
      await until(here, 'one-way', /nothing that this node sends to it is answered/);
    });

    it('closed ports of the agents and of the database', async () => {
      await lab.cutBetween(here, peer, 'agents');
      await until(here, 'agents-port', /no answer, though the host can be reached otherwise/);
      await lab.heal();
      await lab.cutBetween(here, peer, 'replication');
      await until(here, 'peer-database', /does not accept connections/);
    });

    it('a witness that only the other node hears, and one that is gone', async () => {
      await lab.cutBetween(here, 'w1', 'all');
      await until(here, 'witness-path', new RegExp(`though ${peer} hears it`));
      await lab.heal();
      await lab.witness.stop('SIGKILL');
      await until(here, 'witness', /neither does db\d hear it/);
      lab.witness.start();
    });

    it('a host to which nothing passes', async () => {
      await lab.cut([...severed('all', here, peer), ...severed('all', peer, here)]);
      await until(here, 'peer-unreachable', /no answer to anything/);
    });
  });

  it('a wall clock that is wrong, for logs only', async () => {
    const clock = underWallClock(lab.directory, here);
    setWallClock(lab.directory, here, 90);
    const report = await doctor(lab, here, undefined, clock);
    found(report, 'clock', /they differ by/);
    expect(causes(report)).toEqual(['clock']);
    expect(report.status).toBe(0);
  });

  describe('without an agent', () => {
    beforeAll(() => lab.agent[here].stop('SIGKILL'));

    it('tries by itself what it can: the other members are well', async () => {
      const report = await doctor(lab, here);
      expect(causes(report)).toEqual(['agent']);
      const well = report.findings.filter(({ verdict }) => verdict === 'ok').map(({ check }) => check);
      expect(well).toEqual(
        expect.arrayContaining(['heartbeats', 'witness', 'peer-agent', 'peer-database', 'replication']),
      );
    });

    it('says on the other node that nobody listens here', async () => {
      found(await doctor(lab, peer), 'peer-agent', /nobody listens there/);
    });

    it('finds rights and libraries that are missing', async () => {
      const script = 'for f in /usr/lib/*/libnftables.so.1; do mount --bind /dev/null "$f"; done; exec "$@"';
      const drop = ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw'];
      const report = await doctor(lab, here, undefined, ['unshare', '--mount', 'sh', '-c', script, 'sh', ...drop]);
      found(report, 'capabilities', /CAP_NET_RAW/);
      found(report, 'packet-socket', /EPERM/);
      found(report, 'nftables', /libnftables\.so\.1/);
    });

    it('finds a database that is down', async () => {
      await lab.database[here].stop('SIGKILL');
      found(await doctor(lab, here), 'database', /ECONNREFUSED|ENOENT/);
    });
  });
});
