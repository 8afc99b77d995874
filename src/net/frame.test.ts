import { describe, expect, test } from 'vitest';
import { addressBytes, addressText, canonicalAddress, sameSubnet } from './address.js';
import {
  arpProbe,
  gratuitousArpReply,
  gratuitousArpRequest,
  neighbourProbe,
  readClaim,
  solicitedNodeGroup,
  unsolicitedAdvertisement,
} from './frame.js';

const MAC = '02:99:00:00:00:01';
const hex = (text: string): string => text.replaceAll(/[^0-9a-f]/g, '');

describe('addresses', () => {
  test('read and written as RFC 5952 says', () => {
    expect(canonicalAddress('FD99:0:0:0::0100')).toBe('fd99::100');
    expect(addressText(addressBytes('2001:db8::1:0:0:1'))).toBe('2001:db8::1:0:0:1');
    expect(addressBytes('::1').toString('hex')).toBe(`${'00'.repeat(15)}01`);
    expect(addressBytes('fe80::').toString('hex')).toBe(`fe80${'00'.repeat(14)}`);
    expect(addressBytes('::ffff:10.0.0.1').toString('hex')).toBe('00000000000000000000ffff0a000001');
    expect(addressText(addressBytes('10.99.0.100'))).toBe('10.99.0.100');
  });

  test('what is no address is refused', () => {
    for (const text of ['10.0.0', 'fe80::1%eth0', '', 'db1', '10.0.0.1/24']) {
      expect(() => addressBytes(text)).toThrow('is not an IPv4 or IPv6 address');
    }
  });

  test('subnets are compared by prefix, also within a byte', () => {
    const same = (a: string, b: string, n: number): boolean => sameSubnet(addressBytes(a), addressBytes(b), n);
    expect(same('10.0.0.1', '10.0.0.254', 24)).toBe(true);
    expect(same('10.0.0.1', '10.0.0.254', 25)).toBe(false);
    expect(same('10.0.0.1', '10.0.0.1', 32)).toBe(true);
    expect(same('fd99::1', 'fd99::ffff', 64)).toBe(true);
    expect(same('fd99::1', '10.0.0.1', 0)).toBe(false);
  });
});

describe('frames', () => {
  test('an ARP announcement is a request for itself (RFC 5227 2.3), in the layout of RFC 826', () => {
    expect(gratuitousArpRequest('10.99.0.100', MAC).toString('hex')).toBe(
      hex('ffffffffffff 029900000001 0806  0001 0800 06 04 0001  029900000001 0a630064  000000000000 0a630064'),
    );
  });

  test('its reply form names our hardware address as sender and target (RFC 5944 4.6)', () => {
    expect(gratuitousArpReply('10.99.0.100', MAC).toString('hex')).toBe(
      hex('ffffffffffff 029900000001 0806  0001 0800 06 04 0002  029900000001 0a630064  029900000001 0a630064'),
    );
  });

  test('an ARP probe has no sender address (RFC 5227 2.1.1)', () => {
    expect(arpProbe('10.99.0.100', MAC).toString('hex')).toBe(
      hex('ffffffffffff 029900000001 0806  0001 0800 06 04 0001  029900000001 00000000  000000000000 0a630064'),
    );
  });

  test('an unsolicited advertisement goes to all nodes with override and our address (RFC 4861 4.4, 7.2.6)', () => {
    const frame = unsolicitedAdvertisement('fd99::100', MAC);
    expect(frame.subarray(0, 14).toString('hex')).toBe(hex('333300000001 029900000001 86dd'));
    expect(frame.subarray(14, 54).toString('hex')).toBe(
      hex(`60000000 0020 3a ff  fd99${'00'.repeat(12)}0100  ff02${'00'.repeat(13)}01`),
    );
    expect(frame.subarray(54, 56).toString('hex')).toBe('8800');
    expect(frame.subarray(58).toString('hex')).toBe(hex(`20000000 fd99${'00'.repeat(12)}0100  02 01 029900000001`));
  });

  test('a neighbour probe asks the solicited-node group from nowhere (RFC 4862 5.4.2)', () => {
    const frame = neighbourProbe('fd99::12:3456', MAC);
    expect(solicitedNodeGroup('fd99::12:3456')).toBe('ff02::1:ff12:3456');
    expect(frame.subarray(0, 14).toString('hex')).toBe(hex('3333ff123456 029900000001 86dd'));
    expect(frame.subarray(14, 54).toString('hex')).toBe(
      hex(`60000000 0018 3a ff  ${'00'.repeat(16)}  ff02 0000 0000 0000 0000 0001 ff12 3456`),
    );
    expect(frame.subarray(58).toString('hex')).toBe(hex('00000000 fd99 0000 0000 0000 0000 0000 0012 3456'));
  });

  test('ICMPv6 checksums sum up to all ones with their pseudo header (RFC 4443 2.3)', () => {
    for (const frame of [unsolicitedAdvertisement('fd99::100', MAC), neighbourProbe('fd99::100', MAC)]) {
      const message = frame.subarray(54);
      const pseudo = Buffer.concat([frame.subarray(22, 54), Buffer.from([0, 0, 0, message.length, 0, 0, 0, 58])]);
      const all = Buffer.concat([pseudo, message]);
      let sum = 0;
      for (let i = 0; i < all.length; i += 2) sum += all.readUInt16BE(i);
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
      expect(sum).toBe(0xffff);
    }
  });

  test('claims are read from announcements, and from nothing else', () => {
    expect(readClaim(gratuitousArpRequest('10.99.0.100', MAC))).toEqual({ address: '10.99.0.100', mac: MAC });
    expect(readClaim(gratuitousArpReply('10.99.0.100', MAC))).toEqual({ address: '10.99.0.100', mac: MAC });
    expect(readClaim(unsolicitedAdvertisement('fd99::100', MAC))).toEqual({ address: 'fd99::100', mac: MAC });
    expect(readClaim(arpProbe('10.99.0.100', MAC))).toEqual({ address: '0.0.0.0', mac: MAC });
    expect(readClaim(neighbourProbe('fd99::100', MAC))).toBeNull();
    const whole = unsolicitedAdvertisement('fd99::100', MAC);
    for (let length = 0; length < 78; length++) expect(readClaim(whole.subarray(0, length))).toBeNull();
    expect(readClaim(whole.subarray(0, 78))).toEqual({ address: 'fd99::100', mac: MAC });
  });
});
