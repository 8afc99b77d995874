import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { here, inOwnNetwork, setCable } from '../../test/lab/namespace.js';
import { waitFor } from '../../test/lab/wait.js';
import type { Vip } from './address.js';
import { createLinkWatch, type LinkWatch } from './links.js';

const VIPS: readonly Vip[] = [
  { address: '10.99.0.100', prefixLength: 24, family: 4, interface: 'eth0' },
  { address: 'fd99:0::100', prefixLength: 64, family: 6, interface: 'eth0' },
];
/** More notifications than a socket's buffer takes while nobody reads. */
const FLOOD = 6_000;

await inOwnNetwork('src/net/links.lab.test.ts', () => {
  describe('the link watch', () => {
    let events: string[];
    let watch: LinkWatch;
    const seen = (event: string): Promise<void> => waitFor(() => events.includes(event) || events.join(), event, 2_000);

    beforeEach(() => {
      events = [];
      watch = createLinkWatch({
        interfaces: ['eth0', 'eth7'],
        vips: VIPS,
        onLink: (name, up) => events.push(`${name} ${up ? 'up' : 'down'}`),
        onAddressAdded: (address, name) => events.push(`+${address} ${name}`),
        onAddressRemoved: (address, name) => events.push(`-${address} ${name}`),
        onFault: (text) => events.push(text),
      });
    });
    afterEach(() => {
      watch.close();
    });

    test('tells the present state at the start; an interface that is missing is down', () => {
      here('ip', 'address', 'add', '10.99.0.100/24', 'dev', 'eth0');
      watch.start();
      expect(events).toEqual(['eth0 up', 'eth7 down', '+10.99.0.100 eth0']);
      here('ip', 'address', 'del', '10.99.0.100/24', 'dev', 'eth0');
    });

    test('tells of a VIP that somebody adds or removes by hand, also on another interface, and of no other address', async () => {
      watch.start();
      here('ip', 'address', 'add', '10.99.0.100/24', 'dev', 'eth0');
      await seen('+10.99.0.100 eth0');
      here('ip', 'address', 'add', 'fd99::100/64', 'dev', 'lo');
      await seen('+fd99:0::100 lo');
      here('ip', 'address', 'add', '10.99.0.200/24', 'dev', 'eth0');
      here('ip', 'address', 'del', '10.99.0.200/24', 'dev', 'eth0');
      here('ip', 'address', 'del', '10.99.0.100/24', 'dev', 'eth0');
      await seen('-10.99.0.100 eth0');
      here('ip', 'address', 'del', 'fd99::100/64', 'dev', 'lo');
      await seen('-fd99:0::100 lo');
      expect(events).toHaveLength(6);
    });

    test('tells of a pulled cable, of an interface switched off, and of its coming back', async () => {
      watch.start();
      events.length = 0;
      setCable(false);
      await seen('eth0 down');
      setCable(true);
      await seen('eth0 up');
      events.length = 0;
      here('ip', 'link', 'set', 'eth0', 'down');
      await seen('eth0 down');
      here('ip', 'link', 'set', 'eth0', 'up');
      await seen('eth0 up');
      expect(events).toEqual(['eth0 down', 'eth0 up']);
    });

    test('tells of an interface that appears', async () => {
      watch.start();
      events.length = 0;
      here('ip', 'link', 'add', 'eth7', 'type', 'veth', 'peer', 'name', 'eth8');
      here('ip', 'link', 'set', 'eth8', 'up');
      here('ip', 'link', 'set', 'eth7', 'up');
      await seen('eth7 up');
      here('ip', 'link', 'del', 'eth7');
      await seen('eth7 down');
      expect(events).toEqual(['eth7 up', 'eth7 down']);
    });

    test('looks again at everything after more notifications than the kernel could keep, and goes on', async () => {
      watch.start();
      events.length = 0;
      const line = 'address add 10.99.0.200/24 dev eth0\naddress del 10.99.0.200/24 dev eth0\n';
      // All of it while the event loop stands, with a change of a VIP that is lost among the rest.
      here(
        'sh',
        '-c',
        `yes '${line.trim()}' | head -n ${FLOOD} | ip -batch - && ip address add 10.99.0.100/24 dev eth0`,
      );
      await seen('+10.99.0.100 eth0');
      here('ip', 'address', 'del', '10.99.0.100/24', 'dev', 'eth0');
      await seen('-10.99.0.100 eth0');
      expect(events).toEqual(['+10.99.0.100 eth0', '-10.99.0.100 eth0']);
    });
  });
});
